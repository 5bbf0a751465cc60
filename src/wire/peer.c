// SPDX-License-Identifier: MIT
#include "wire/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/own.h"
#include "wire/proto.h"

enum { BEAT_MS = 1000, IN_SIZE = 128 << 10, MAX_PARTS = 15, LARGE = 64 << 10, SPARES = 8 };

struct peer {
	char *name;
	_Atomic int silence_ms; /* set under beat_lock */
	struct bucket *limit;
	void (*on_log)(void *, enum log_level, const char *);
	void *arg;

	int stop_fd; /* eventfd of peer_stop */
	/* receiving: one thread at a time */
	int rfd;
	uint64_t rseq;
	uint8_t *in; /* IN_SIZE bytes; [in_at, in_end) are unread */
	size_t in_at, in_end;

	/* Buffers of large frames that came back: their pages are there already. */
	pthread_mutex_t spare_lock;
	uint8_t *spare[SPARES];
	unsigned n_spares;

	/* sending: under send_lock */
	pthread_mutex_t send_lock;
	int wfd;
	uint64_t wseq;
	uint32_t next_id;

	/* the heartbeat; `stop` under beat_lock */
	pthread_t beat;
	pthread_mutex_t beat_lock;
	pthread_cond_t beat_wake;
	bool beating, stop;

	/* anybody */
	_Atomic uint64_t sent, received, last_sent_ns;
	_Atomic bool dead;
	struct err why; /* valid once dead; set under send_lock */
};

static int die(struct peer *p, const struct err *why)
{
	pthread_mutex_lock(&p->send_lock);
	if (!p->dead) {
		p->why = *why;
		p->dead = true;
	}
	pthread_mutex_unlock(&p->send_lock);
	return -1;
}

static int dead(struct peer *p, struct err *e)
{
	if (e)
		*e = p->why;
	return -1;
}

/* Bytes that have come so far, read or not. */
static uint64_t heard(struct peer *p)
{
	int unread = 0;

	return ioctl(p->rfd, FIONREAD, &unread) < 0 ? p->received : p->received + (uint64_t)unread;
}

static int wait_for(int fd, short events, struct peer *p, struct err *e)
{
	struct pollfd pfd[3] = { { .fd = fd, .events = events },
				 { .fd = cancel_fd(), .events = POLLIN },
				 { .fd = p->stop_fd, .events = POLLIN } };
	uint64_t before;
	int n;

	/* Who takes nothing for a while, behind a slow disk, but sends its heartbeat, lives. */
	do {
		before = heard(p);
		n = poll(pfd, 3, p->silence_ms);
	} while ((n < 0 && errno == EINTR) || (n == 0 && heard(p) != before));
	if (n < 0)
		return err_sys(e, "cannot wait for %s", p->name);
	if (n > 0 && pfd[1].revents)
		return cancel_err(e);
	if (n > 0 && pfd[2].revents)
		return err_set(e, ERR_LINK, "the link to %s was given up", p->name);
	if (n == 0) {
		err_set(e, ERR_TIMEOUT, "no sign of life from %s for %d s", p->name,
			p->silence_ms / 1000);
		return err_hint(e, "look at the link and the other server; --timeout sets how "
				   "long to wait");
	}
	return 0;
}

static int link_lost(struct peer *p, struct err *e)
{
	err_set(e, ERR_LINK, "the link to %s broke", p->name);
	return err_hint(e, "nothing is lost: run the same command again");
}

/* All of iov, waiting as long as the other end lives. */
static int write_parts(struct peer *p, struct iovec *iov, int n, struct err *e)
{
	while (n) {
		ssize_t done = writev(p->wfd, iov, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0 && errno == EAGAIN) {
			if (wait_for(p->wfd, POLLOUT, p, e) < 0)
				return -1;
			continue;
		}
		if (done < 0)
			return link_lost(p, e);
		for (; n && (size_t)done >= iov->iov_len; iov++, n--)
			done -= (ssize_t)iov->iov_len;
		if (n) {
			iov->iov_base = (char *)iov->iov_base + done;
			iov->iov_len -= (size_t)done;
		}
	}
	return 0;
}

static int send_frame(struct peer *p, uint8_t type, uint32_t id, const struct iovec *iov,
		      int n_iov, struct err *e)
{
	struct iovec all[MAX_PARTS + 1];
	uint8_t head[FRAME_HEAD];
	struct err own = ERR_INIT;
	size_t bytes = FRAME_HEAD;
	int ret;

	for (int i = 0; i < n_iov; i++) {
		all[i + 1] = iov[i];
		bytes += iov[i].iov_len;
	}
	pthread_mutex_lock(&p->send_lock);
	if (p->dead) {
		pthread_mutex_unlock(&p->send_lock);
		return dead(p, e);
	}
	frame_head(head, p->wseq++, type, 0, id, iov, n_iov);
	all[0] = (struct iovec){ head, sizeof(head) };
	ret = write_parts(p, all, n_iov + 1, &own);
	if (ret < 0) {
		p->why = own;
		p->dead = true;
	}
	p->last_sent_ns = clock_ns();
	p->sent += bytes;
	pthread_mutex_unlock(&p->send_lock);
	return ret < 0 ? dead(p, e) : 0;
}

int peer_sendv(struct peer *p, uint8_t type, uint32_t id, const struct iovec *iov, int n_iov,
	       struct err *e)
{
	size_t bytes = FRAME_HEAD;

	for (int i = 0; i < n_iov; i++)
		bytes += iov[i].iov_len;
	bucket_take(p->limit, bytes);
	return send_frame(p, type, id, iov, n_iov, e);
}

int peer_send(struct peer *p, uint8_t type, uint32_t id, const void *data, size_t len,
	      struct err *e)
{
	struct iovec iov = { (void *)(uintptr_t)data, len };

	return peer_sendv(p, type, id, &iov, 1, e);
}

int peer_send_now(struct peer *p, uint8_t type, uint32_t id, const void *data, size_t len,
		  struct err *e)
{
	struct iovec iov = { (void *)(uintptr_t)data, len };

	bucket_debit(p->limit, FRAME_HEAD + len);
	return send_frame(p, type, id, &iov, 1, e);
}

static void *beat_main(void *arg)
{
	struct peer *p = arg;

	pthread_mutex_lock(&p->beat_lock);
	while (!p->stop) {
		unsigned every_ms = p->silence_ms < 4 * BEAT_MS ? (unsigned)p->silence_ms / 4 : BEAT_MS;
		struct timespec until;

		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += every_ms / 1000;
		until.tv_nsec += (long)(every_ms % 1000) * 1000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000;
		}
		pthread_cond_timedwait(&p->beat_wake, &p->beat_lock, &until);
		if (p->stop || clock_ns() - p->last_sent_ns < (uint64_t)every_ms * 900000u)
			continue;
		pthread_mutex_unlock(&p->beat_lock);
		send_frame(p, PROTO_PING, 0, NULL, 0, NULL);
		pthread_mutex_lock(&p->beat_lock);
	}
	pthread_mutex_unlock(&p->beat_lock);
	return NULL;
}

static int start_beat(struct peer *p, struct err *e)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->beat_wake, &attr);
	pthread_condattr_destroy(&attr);
	errno = pthread_create(&p->beat, NULL, beat_main, p);
	if (errno)
		return err_sys(e, "cannot start the heartbeat");
	p->beating = true;
	return 0;
}

int peer_new(struct peer **out, int rfd, int wfd, const struct peer_opts *opts, struct err *e)
{
	struct peer *p = xcalloc(1, sizeof(*p));

	p->name = xstrdup(opts->name);
	p->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->silence_ms = opts->silence_ms ? opts->silence_ms : 60000;
	p->limit = opts->limit;
	p->on_log = opts->on_log;
	p->arg = opts->arg;
	p->rfd = rfd;
	p->wfd = wfd;
	p->in = xmalloc(IN_SIZE);
	p->last_sent_ns = clock_ns();
	pthread_mutex_init(&p->send_lock, NULL);
	pthread_mutex_init(&p->spare_lock, NULL);
	pthread_mutex_init(&p->beat_lock, NULL);
	fcntl(rfd, F_SETFL, fcntl(rfd, F_GETFL) | O_NONBLOCK);
	fcntl(wfd, F_SETFL, fcntl(wfd, F_GETFL) | O_NONBLOCK);
	/* Pipes to ssh: the largest an unprivileged user may have. */
	fcntl(rfd, F_SETPIPE_SZ, 1 << 20);
	fcntl(wfd, F_SETPIPE_SZ, 1 << 20);
	if (start_beat(p, e) < 0) {
		peer_free(p);
		return -1;
	}
	*out = p;
	return 0;
}

void peer_free(struct peer *p)
{
	if (!p)
		return;
	if (p->beating) {
		pthread_mutex_lock(&p->beat_lock);
		p->stop = true;
		pthread_cond_signal(&p->beat_wake);
		pthread_mutex_unlock(&p->beat_lock);
		pthread_join(p->beat, NULL);
		pthread_cond_destroy(&p->beat_wake);
	}
	close_fd(&p->stop_fd);
	close(p->rfd);
	if (p->wfd != p->rfd)
		close(p->wfd);
	pthread_mutex_destroy(&p->send_lock);
	pthread_mutex_destroy(&p->spare_lock);
	while (p->n_spares)
		free(p->spare[--p->n_spares]);
	pthread_mutex_destroy(&p->beat_lock);
	free(p->in);
	free(p->name);
	free(p);
}

void peer_stop(struct peer *p)
{
	eventfd_write(p->stop_fd, 1);
}

void peer_set_silence(struct peer *p, int silence_ms)
{
	if (silence_ms <= 0)
		return;
	pthread_mutex_lock(&p->beat_lock);
	p->silence_ms = silence_ms;
	pthread_cond_signal(&p->beat_wake); /* it may have to beat faster */
	pthread_mutex_unlock(&p->beat_lock);
}

const char *peer_name(const struct peer *p)
{
	return p->name;
}

struct peer_stats peer_stats(struct peer *p)
{
	return (struct peer_stats){ p->sent, p->received };
}

int peer_fd(const struct peer *p)
{
	return p->rfd;
}

bool peer_pending(struct peer *p)
{
	struct pollfd pfd = { .fd = p->rfd, .events = POLLIN };

	return p->in_at < p->in_end || poll(&pfd, 1, 0) > 0;
}

/* At least one more byte into [data, data + max); never 0. */
static ssize_t read_some(struct peer *p, void *data, size_t max, struct err *e)
{
	for (;;) {
		ssize_t n = read(p->rfd, data, max);

		if (n > 0) {
			p->received += (uint64_t)n;
			return n;
		}
		if (n == 0 || (errno != EINTR && errno != EAGAIN))
			return link_lost(p, e);
		if (errno == EAGAIN && wait_for(p->rfd, POLLIN, p, e) < 0)
			return -1;
	}
}

/* Exactly len bytes: first what is in the buffer, then straight from the link. */
static int read_exactly(struct peer *p, uint8_t *data, size_t len, struct err *e)
{
	while (len) {
		size_t n = p->in_end - p->in_at;
		ssize_t got;

		if (n) {
			n = n < len ? n : len;
			memcpy(data, p->in + p->in_at, n);
			p->in_at += n;
		} else if (len >= IN_SIZE) {
			if ((got = read_some(p, data, len, e)) < 0)
				return -1;
			n = (size_t)got;
		} else {
			if ((got = read_some(p, p->in, IN_SIZE, e)) < 0)
				return -1;
			p->in_at = 0;
			p->in_end = (size_t)got;
			continue;
		}
		data += n;
		len -= n;
	}
	return 0;
}

/* Large frames all get room for the largest, so that any buffer serves any of them. */
static uint8_t *frame_room(struct peer *p, uint32_t len)
{
	uint8_t *data = NULL;

	if (len <= LARGE)
		return malloc(len);
	pthread_mutex_lock(&p->spare_lock);
	if (p->n_spares)
		data = p->spare[--p->n_spares];
	pthread_mutex_unlock(&p->spare_lock);
	return data ? data : malloc(PROTO_MAX_FRAME);
}

void peer_recycle(struct peer *p, uint8_t *data, size_t len)
{
	if (len > LARGE) {
		pthread_mutex_lock(&p->spare_lock);
		if (p->n_spares < SPARES) {
			p->spare[p->n_spares++] = data;
			data = NULL;
		}
		pthread_mutex_unlock(&p->spare_lock);
	}
	free(data);
}

static int read_frame(struct peer *p, struct frame *f, struct err *e)
{
	uint8_t head[FRAME_HEAD];

	if (read_exactly(p, head, sizeof(head), e) < 0 || frame_decode_head(head, f, e) < 0)
		return -1;
	if (f->len) {
		f->data = frame_room(p, f->len);
		if (!f->data)
			return err_set(e, ERR_SYS, "no memory for a frame");
		if (read_exactly(p, f->data, f->len, e) < 0)
			return -1;
	}
	return frame_verify(head, p->rseq++, f, e);
}

static int aborted(struct peer *p, const struct frame *f, struct err *e)
{
	struct reader r = reader_of(f->data, f->len);
	uint16_t code = get_u16(&r);
	own_free char *text = get_str(&r, PROTO_MAX_TEXT);
	own_free char *hint = get_str(&r, PROTO_MAX_TEXT);

	if (!reader_done(&r))
		return err_set(e, ERR_PROTO, "%s gave up without saying why", p->name);
	err_set(e, proto_code_to_err(code), "%s: %s", p->name, text);
	return err_hint(e, "%s", hint);
}

static void logged(struct peer *p, const struct frame *f)
{
	struct reader r = reader_of(f->data, f->len);
	unsigned level = get_u8(&r);
	own_free char *text = get_str(&r, PROTO_MAX_TEXT);

	if (reader_done(&r) && level <= LOG_LVL_DEBUG && p->on_log)
		p->on_log(p->arg, (enum log_level)level, text);
}

int peer_try(struct peer *p, struct frame *f, struct err *e)
{
	struct err own = ERR_INIT;

	*f = (struct frame)FRAME_INIT;
	/* A peer we cannot write to may still have told us why. */
	if (read_frame(p, f, &own) == 0 && f->type != PROTO_ABORT) {
		if (f->type != PROTO_PING && f->type != PROTO_LOG)
			return 1;
		if (f->type == PROTO_LOG)
			logged(p, f);
		frame_fini(f);
		return 0;
	}
	if (own.code == ERR_NONE)
		aborted(p, f, &own);
	frame_fini(f);
	die(p, &own);
	if (e)
		*e = own;
	return -1;
}

int peer_recv(struct peer *p, struct frame *f, struct err *e)
{
	int got;

	do
		got = peer_try(p, f, e);
	while (got == 0);
	return got < 0 ? -1 : 0;
}

int peer_silence_ms(const struct peer *p)
{
	return p->silence_ms;
}

int peer_call(struct peer *p, uint8_t type, const struct buf *request, struct frame *reply,
	      struct err *e)
{
	uint32_t id = ++p->next_id;
	struct err sent = ERR_INIT;
	struct err own = ERR_INIT;

	*reply = (struct frame)FRAME_INIT;
	if (peer_send(p, type, id, request ? request->data : NULL, request ? request->len : 0,
		      &sent) < 0 &&
	    sent.code != ERR_LINK)
		goto fail;
	/* On a broken link the other end's last word may still be readable. */
	if (peer_recv(p, reply, &sent) < 0)
		goto fail;
	if (reply->type == PROTO_REPLY && reply->id == id)
		return 0;
	err_set(&own, ERR_PROTO, "%s answered request %u with frame type %u", p->name, type,
		reply->type);
	frame_fini(reply);
	die(p, &own);
	if (e)
		*e = own;
	return -1;
fail:
	if (e)
		*e = sent;
	return -1;
}

int peer_reply(struct peer *p, uint32_t id, const struct buf *reply, struct err *e)
{
	return peer_send(p, PROTO_REPLY, id, reply ? reply->data : NULL, reply ? reply->len : 0,
			 e);
}

void peer_abort(struct peer *p, const struct err *why)
{
	own_buf struct buf b = BUF_INIT;

	buf_put_u16(&b, proto_code_of(why->code));
	buf_put_str(&b, why->msg);
	buf_put_str(&b, why->hint);
	peer_send_now(p, PROTO_ABORT, 0, b.data, b.len, NULL);
}

void peer_log(struct peer *p, enum log_level level, const char *text)
{
	own_buf struct buf b = BUF_INIT;

	buf_put_u8(&b, (uint8_t)level);
	buf_put_str(&b, text);
	peer_send_now(p, PROTO_LOG, 0, b.data, b.len, NULL);
}
