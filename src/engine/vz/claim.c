// SPDX-License-Identifier: MIT
#include "engine/vz/claim.h"

#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "net/addresses.h"
#include "net/uplink.h"

static int taken(const char *address, const char *by, struct err *e)
{
	err_set(e, ERR_IP_USED, "the address %s belongs to %s", address, by);
	return err_hint(e, "take it from one of them: pctl set ID --ipdel %s", address);
}

/* A container that is up has its addresses whatever they are routed by: a bridge shows none to the server. */
static int others_have(const struct vz *v, const struct strv *mine, struct err *e)
{
	struct ct *all;
	size_t n;
	int ret = 0;

	if (vz_list(&all, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		own_strv struct strv theirs = STRV_INIT;
		own_vz struct vz other = VZ_INIT;
		enum ct_state state;

		if (ret == 0 && strcmp(all[i].id, v->ct.id) != 0 && vz_open(&other, all[i].id, NULL) == 0)
			vz_addresses(&other, &theirs);
		for (size_t k = 0; k < mine->n; k++) {
			own_free char *who = xasprintf("container %s", all[i].id);

			if (strv_has(&theirs, mine->item[k]) && ret == 0 && vz_state(&all[i], &state, NULL) == 0 &&
			    state != CT_STOPPED && state != CT_MOUNTED)
				ret = taken(mine->item[k], who, e);
		}
		ct_fini(&all[i]);
	}
	free(all);
	return ret;
}

int vz_claim_here(const struct vz *v, struct err *e)
{
	own_ctnet struct ctnet net = CTNET_INIT;
	own_strv struct strv mine = STRV_INIT, used = STRV_INIT;
	char text[IP_TEXT_MAX];

	if (vz_net(v, &net, e) < 0)
		return -1;
	for (size_t i = 0; i < net.n; i++) {
		for (size_t k = 0; k < net.ifs[i].n_addr; k++) {
			ip_text(text, &net.ifs[i].addr[k]);
			if (vz_address_check(text, &net.ifs[i].addr[k], e) < 0)
				return err_wrap(e, "container %s", v->ct.id);
			strv_add(&mine, text);
		}
	}
	if (others_have(v, &mine, e) < 0 || addresses_used(&mine, &used, e) < 0)
		return -1;
	return used.n ? taken(used.item[0], "this server, or is routed to something here", e) : 0;
}

int vz_claim_ask(const struct vz *v, struct probe *p, struct err *e)
{
	own_ctnet struct ctnet net = CTNET_INIT;
	own_nl struct nl nl = NL_INIT;

	if (vz_yes(v, "SKIP_ARPDETECT", false))
		return 0;
	if (vz_net(v, &net, e) < 0 || probe_begin(p, e) < 0 || nl_open(&nl, -1, e) < 0)
		return -1;
	for (size_t i = 0; i < net.n; i++) {
		for (size_t k = 0; k < net.ifs[i].n_addr; k++) {
			struct uplink_set up = { .n = 0 };

			if (net.ifs[i].bridge[0])
				probe_ask(p, &net.ifs[i].addr[k], (int)if_nametoindex(net.ifs[i].bridge));
			else
				uplink_of(&nl, &net.uplinks, &net.ifs[i].addr[k], &up);
			for (size_t u = 0; u < up.n; u++)
				probe_ask(p, &net.ifs[i].addr[k], up.dev[u]);
		}
	}
	return 0;
}

int vz_claim_heard(const struct vz *v, struct probe *p, struct err *e)
{
	char text[IP_TEXT_MAX], hex[18];
	uint8_t mac[6];
	struct ip ip;

	if (!probe_answered(p, &ip, mac))
		return 0;
	ip_text(text, &ip);
	mac_text(hex, mac);
	err_set(e, ERR_IP_USED, "the address %s of container %s is in use on the network, by %s", text, v->ct.id, hex);
	return err_hint(e, "take it from one of them; where a router answers for every address: SKIP_ARPDETECT=\"yes\" in "
			   VZ_ETC "/vz.conf");
}

int vz_start_claimed(const struct vz *v, struct err *e)
{
	own_probe struct probe p = PROBE_INIT;

	/* one that ended by itself has left its routes */
	if (access(v->run_dir, F_OK) == 0 && vz_clear(&v->ct, e) < 0)
		return -1;
	if (vz_claim_here(v, e) < 0 || vz_claim_ask(v, &p, e) < 0 || vz_hold(&v->ct, e) < 0)
		return -1;
	probe_repeat(&p);
	if (vz_claim_heard(v, &p, e) == 0 && vz_let_run(&v->ct, e) == 0)
		return 0;
	vz_clear(&v->ct, NULL);
	return -1;
}
