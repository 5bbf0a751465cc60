# shellcheck shell=bash disable=SC2034,SC2317 # the tables are read, and the functions called, by wild.sh
# SPDX-License-Identifier: MIT
#
# services.sh, sourced by wild.sh: what people run, as Debian 13 installs it. A service has a line here, and where it cannot be
# reached or has nothing to show as it comes, a function NAME_setup TREE (in the template) or NAME_begin HOST (once it runs), and
# NAME_sound HOST (after the moves: its own check of its data). Nothing else is configured: that is the point.
#
# GROUP: those that share a template; the others' units are masked in a Container.

declare -A WILD_PACKAGES WILD_UNITS WILD_CLIENTS WILD_GROUP
WILD=()

service() { # NAME GROUP PACKAGES UNITS [CLIENT...]  (clients as client.py has them)
	WILD+=("$1")
	WILD_GROUP[$1]=$2 WILD_PACKAGES[$1]=$3 WILD_UNITS[$1]=$4 WILD_CLIENTS[$1]=${*:5}
}

# ---- the sample of ./check -----------------------------------------------------------------------------------------
service mariadb sample 'mariadb-server mariadb-client' 'mariadb' 'mariadb*4'
service php sample 'nginx php8.4-fpm php8.4-cli' 'nginx php8.4-fpm' 'web:80/ok.php?n=@*8' 'download:80/big.bin=3000000*2'
service postgresql sample 'postgresql' 'postgresql postgresql@17-main' 'postgres*50'
service haproxy sample 'haproxy apache2' 'haproxy apache2' 'web:8081/index.html*4' 'download:8081/big.bin=3000000*2'
service mail sample 'postfix dovecot-imapd' 'postfix dovecot' 'smtp:wild*2' 'imap:wild*3'
service rspamd sample 'rspamd' 'rspamd'
service syslog sample 'rsyslog python3' 'rsyslog wild-flood'
service resolved sample 'systemd-resolved' 'systemd-resolved'

# ---- the rest: tests/run wild --------------------------------------------------------------------------------------
service redis db 'redis-server' 'redis-server' 'redis*5'
service valkey db 'valkey-server' 'valkey-server' 'redis:6379*5'
service memcached db 'memcached' 'memcached' 'memcached*5'
service slapd db 'slapd' 'slapd'
service pgbouncer db 'pgbouncer' 'pgbouncer'
service nginx web 'nginx-light' 'nginx' 'web:80/index.html*4' 'download:80/big.bin=3000000*2'
service apache web 'apache2' 'apache2' 'web:80/index.html*4' 'download:80/big.bin=3000000*2'
service lighttpd web 'lighttpd' 'lighttpd' 'web:80/index.html*4'
service caddy web 'caddy' 'caddy'
service varnish web 'varnish' 'varnish'
service squid web 'squid' 'squid'
service tomcat web 'tomcat10' 'tomcat10'
service beanstalkd mq 'beanstalkd' 'beanstalkd' 'beanstalkd*4'
service mosquitto mq 'mosquitto' 'mosquitto' 'mqtt*4'
service rabbitmq mq 'rabbitmq-server' 'rabbitmq-server'
service etcd mq 'etcd-server' 'etcd'
service exim mail 'exim4-daemon-light' 'exim4' 'smtp:root*2'
service opendkim mail 'opendkim' 'opendkim'
service spamd mail 'spamassassin spamd' 'spamd'
service postgrey mail 'postgrey' 'postgrey'
service clamav mail 'clamav-daemon' 'clamav-daemon clamav-freshclam'
service bind dns 'bind9' 'named' 'dns:www.wild=10.1.2.3*4'
service unbound dns 'unbound' 'unbound' 'dns:localhost=127.0.0.1*4'
service dnsmasq dns 'dnsmasq' 'dnsmasq' 'dns:www.wild=10.1.2.3*4'
service knot net2 'knot' 'knot' 'dns:www.wild=10.1.2.3*4'
service nsd net2 'nsd' 'nsd' 'dns:www.wild=10.1.2.3*4'
service pdns net2 'pdns-server pdns-backend-bind' 'pdns' 'dns:www.wild=10.1.2.3*4'
service recursor net2 'pdns-recursor' 'pdns-recursor' 'dns:localhost=127.0.0.1*4'
service dnsdist net2 'dnsdist' 'dnsdist'
service chrony net 'chrony' 'chrony' 'ntp*4'
service freeradius net 'freeradius' 'freeradius' 'radius*4'
service coturn net 'coturn' 'coturn' 'stun*4'
service snmpd net 'snmpd' 'snmpd' 'snmp*4'
service tor net 'tor' 'tor tor@default' 'socks:9050*4'
service avahi net 'avahi-daemon' 'avahi-daemon'
service kea net 'kea-dhcp4-server' 'kea-dhcp4-server'
service lldpd net 'lldpd' 'lldpd'
service keepalived net 'keepalived' 'keepalived'
service openvpn more 'openvpn' 'openvpn@wild'
service strongswan more 'strongswan-starter strongswan-charon' 'strongswan-starter'
service stunnel more 'stunnel4 openssl' 'stunnel@wild' 'tls:7001*4'
service tinyproxy more 'tinyproxy' 'tinyproxy' 'web:8888/http://tinyproxy.stats/~inyproxy*2'
service privoxy more 'privoxy' 'privoxy' 'web:8118/http://config.privoxy.org/~rivoxy*4'
service dropbear more 'dropbear' 'dropbear' 'greeting:22=SSH-2.0-dropbear*2'
service bird more 'bird2' 'bird'
service rpcbind more 'rpcbind' 'rpcbind'
service frr more 'frr' 'frr'
service ssh files 'openssh-server openssh-client' 'ssh' 'shell*4'
service vsftpd files 'vsftpd' 'vsftpd' 'ftp*2'
service samba files 'samba smbclient' 'smbd nmbd' 'smb*4'
service rsyncd files 'rsync' 'rsync' 'run:wild-rsync*2'
service gitdaemon files 'git' 'wild-git' 'run:wild-git*2'
service tftpd files 'tftpd-hpa' 'tftpd-hpa' 'tftp:big.bin=200000*2'
service transmission files 'transmission-daemon' 'transmission-daemon'
service cups files 'cups-daemon cups-client' 'cups' 'run:wild-lpstat*2'
service proftpd files2 'proftpd-core' 'proftpd' 'ftp*2'
service cron sys 'cron' 'cron'
service atd sys 'at' 'atd'
service fail2ban sys 'fail2ban python3-systemd' 'fail2ban'
service polkit sys 'polkitd dbus' 'polkit'
service monit sys 'monit' 'monit' 'web:2812/~Monit*2'
service collectd sys 'collectd' 'collectd'
service munin sys 'munin-node' 'munin-node' 'lines:4949=version=munin=greeted*4'
service prometheus sys 'prometheus' 'prometheus' 'web:9090/-/ready~Ready*4'
service nodeexporter sys 'prometheus-node-exporter' 'prometheus-node-exporter' 'web:9100/metrics~node_*2'
service zabbix sys 'zabbix-agent' 'zabbix-agent' 'zabbix*4'
service nut sys 'nut-server' 'nut-server' 'lines:3493=VER=Network_UPS*4'
service tmux more 'tmux openssh-server openssh-client' 'ssh' 'shell:wild-tmux' 'shell*2'
service screen more 'screen openssh-server openssh-client' 'ssh' 'shell:wild-screen' 'shell*2'
service supervisor more 'supervisor' 'supervisor' 'web:9001/~Supervisor*2'
service upgrades more 'unattended-upgrades' 'unattended-upgrades'
service uptimed more 'uptimed' 'uptimed'
service gunicorn rt 'gunicorn python3' 'wild-gunicorn' 'web:8000/index.html*4'
service uwsgi rt 'uwsgi uwsgi-plugin-python3' 'uwsgi' 'web:8002/index.html*4'
service node rt 'nodejs' 'wild-node' 'web:8001/index.html*4'
service icecast rt 'icecast2' 'icecast2' 'web:8000/status-json.xsl~icestats*2'
service ejabberd rt 'ejabberd' 'ejabberd' 'xmpp:5222=localhost*2'
service mumble rt 'mumble-server' 'mumble-server' 'mumble*4'
service ircd rt 'ngircd' 'ngircd' 'irc*4'
service prosody more 'prosody' 'prosody' 'xmpp:5222=localhost*2'
service inspircd more 'inspircd' 'inspircd' 'irc*4'
service mpd more 'mpd' 'mpd' 'lines:6600=ping=OK=greeted*4'
service nats more 'nats-server' 'nats-server' 'lines:4222=PING=PONG=greeted*4'
service gearman more 'gearman-job-server' 'gearman-job-server' 'lines:4730=version=OK*4'
service influxdb more 'influxdb' 'influxdb' 'web:8086/query?q=show+databases~results*4'
service puma more 'puma' 'wild-puma' 'web:8003/index.html*4'

# What can be carried by nobody is refused before the freeze, in these words.
declare -A WILD_REFUSED=(
	[frr]='netlink group beyond the 32nd'
)

# ---- what makes them reachable, or do something --------------------------------------------------------------------

page_put() { # TREE: a page and a file of 3,000,000 bytes
	mkdir -p "$1/var/www/html"
	echo 'static page' >"$1/var/www/html/index.html"
	head -c 3000000 /dev/zero | tr '\0' x >"$1/var/www/html/big.bin"
}

unit_put() { # TREE NAME COMMAND
	printf '[Service]\nExecStart=%s\n[Install]\nWantedBy=multi-user.target\n' "$3" >"$1/usr/lib/systemd/system/$2.service" # where it can be masked
	chroot "$1" systemctl enable -q "$2"
}

mariadb_setup() {
	printf '[mariadbd]\nbind-address = 0.0.0.0\n' >"$1/etc/mysql/mariadb.conf.d/99-wild.cnf"
}
mariadb_begin() {
	inside "$1" mariadb -e "create database wild; create user wild@'%' identified by 'wild'; grant all on wild.* to wild@'%'"
}
mariadb_sound() {
	inside "$1" mariadb-check --all-databases --extended --check --silent
	inside "$1" systemctl stop mariadb
	# shellcheck disable=SC2016
	inside "$1" sh -c 'for f in /var/lib/mysql/wild/*.ibd; do innochecksum "$f" || exit 1; done'
	inside "$1" systemctl start mariadb
}

php_setup() {
	page_put "$1"
	# shellcheck disable=SC2016
	echo '<?php echo "ok ".$_GET["n"]."\n";' >"$1/var/www/html/ok.php"
	cat >"$1/etc/nginx/sites-available/default" <<-'END'
		server {
			listen 80 default_server;
			root /var/www/html;
			location ~ \.php$ { include snippets/fastcgi-php.conf; fastcgi_pass unix:/run/php/php8.4-fpm.sock; }
		}
	END
}

postgresql_setup() {
	local pg
	pg=$(echo "$1"/etc/postgresql/*/main)
	printf 'host all all all trust\n' >>"$pg/pg_hba.conf"
	printf "listen_addresses = '*'\n" >"$pg/conf.d/wild.conf"
}
postgresql_sound() {
	inside "$1" su - postgres -c '/usr/lib/postgresql/17/bin/pg_amcheck --install-missing --heapallindexed postgres'
}

haproxy_setup() {
	page_put "$1"
	echo 'Listen 8080' >"$1/etc/apache2/ports.conf"
	sed -i 's/\*:80>/*:8080>/' "$1/etc/apache2/sites-available/000-default.conf"
	printf '\nfrontend wild\n\tbind *:8081\n\tdefault_backend apache\nbackend apache\n\tserver here 127.0.0.1:8080 check\n' >>"$1/etc/haproxy/haproxy.cfg"
}

mail_setup() {
	chroot "$1" useradd -m -s /bin/sh wild
	echo wild:wild | chroot "$1" chpasswd -c SHA512
	printf 'auth_allow_cleartext = yes\nmail_driver = maildir\nmail_path = ~/Maildir\nmail_inbox_path = ~/Maildir\n' >"$1/etc/dovecot/conf.d/99-wild.conf"
	chroot "$1" postconf -e 'home_mailbox = Maildir/' 'mydestination = localhost' 'mynetworks = 0.0.0.0/0 [::]/0' 'inet_interfaces = all' 'myhostname = wild.example'
}

mail_delivered() { # HOST N: at least N messages are in the mailbox, and a new session sees them all
	local files
	files=$(inside "$1" find /home/wild/Maildir/new /home/wild/Maildir/cur -type f | wc -l)
	[ "$files" -ge "$2" ] && inside "$1" doveadm -f flow mailbox status -u wild messages INBOX | grep -qw "messages=$files"
}
mail_sound() { # what was accepted has not been lost
	local n accepted=0
	for n in $(on c sed -n 's/^smtp:.* operations=\([0-9]*\) .*/\1/p' "$CLIENT/tmp/wild.result"); do accepted=$((accepted + n)); done
	[ "$accepted" -gt 0 ] && wait_for 60 mail_delivered "$1" "$accepted"
}

syslog_setup() { # 4 programs log 2,500 lines a second each
	cat >"$1/usr/local/bin/wild-flood" <<-'END'
		#!/usr/bin/python3
		import os, syslog, time
		for _ in range(3):
		    if os.fork() == 0:
		        break
		n = 0
		while True:
		    for _ in range(25):
		        syslog.syslog("line %d" % n)
		        n += 1
		    time.sleep(0.01)
	END
	chmod 755 "$1/usr/local/bin/wild-flood"
	unit_put "$1" wild-flood /usr/local/bin/wild-flood
}

redis_setup() { sed -i 's/^bind .*/bind * -::*/; s/^protected-mode .*/protected-mode no/' "$1/etc/redis/redis.conf"; }
valkey_setup() { sed -i 's/^bind .*/bind * -::*/; s/^protected-mode .*/protected-mode no/' "$1/etc/valkey/valkey.conf"; }
memcached_setup() { sed -i 's/^-l .*/-l 0.0.0.0/' "$1/etc/memcached.conf"; }
nginx_setup() { page_put "$1"; }
script_put() { # TREE NAME LINE: /usr/local/bin/NAME
	printf '#!/bin/sh\n%s\n' "$3" >"$1/usr/local/bin/$2"
	chmod 755 "$1/usr/local/bin/$2"
}

user_put() { # TREE: the user wild, password wild, who has the big file in his home
	chroot "$1" id wild >/dev/null 2>&1 || chroot "$1" useradd -m -s /bin/sh wild
	echo wild:wild | chroot "$1" chpasswd -c SHA512
	head -c 3000000 /dev/zero | tr '\0' x >"$1/home/wild/big.bin"
}

key_put() { # TREE: root may log in from it to it
	install -d -m 700 "$1/root/.ssh"
	[ -e "$1/root/.ssh/id_ed25519" ] || chroot "$1" ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
	cp "$1/root/.ssh/id_ed25519.pub" "$1/root/.ssh/authorized_keys"
}

zone_put() { # FILE
	printf '$TTL 60\n@ IN SOA ns.wild. root.wild. 1 60 60 60 60\n@ IN NS ns.wild.\nns IN A 10.1.1.1\nwww IN A 10.1.2.3\n' >"$1"
}

mosquitto_setup() { printf 'listener 1883\nallow_anonymous true\n' >"$1/etc/mosquitto/conf.d/wild.conf"; }
beanstalkd_setup() { sed -i 's/^BEANSTALKD_LISTEN_ADDR=.*/BEANSTALKD_LISTEN_ADDR=0.0.0.0/' "$1/etc/default/beanstalkd"; }
exim_setup() { sed -i "s/^dc_local_interfaces=.*/dc_local_interfaces=''/; s/^dc_other_hostnames=.*/dc_other_hostnames='localhost'/" "$1/etc/exim4/update-exim4.conf.conf"; }
bind_setup() {
	zone_put "$1/etc/bind/db.wild"
	printf 'zone "wild" { type master; file "/etc/bind/db.wild"; };\n' >>"$1/etc/bind/named.conf.local"
}
dnsmasq_setup() { printf 'interface=venet0\naddress=/www.wild/10.1.2.3\n' >"$1/etc/dnsmasq.d/wild.conf"; }
knot_setup() {
	mkdir -p "$1/var/lib/knot/zones"
	zone_put "$1/var/lib/knot/zones/wild.zone"
	sed -i 's/^#* *listen: .*/    listen: 0.0.0.0@53/' "$1/etc/knot/knot.conf"
	sed -i '/^zone:/a\  - domain: wild\n    file: /var/lib/knot/zones/wild.zone\n    zonefile-sync: -1' "$1/etc/knot/knot.conf"
	chroot "$1" chown -R knot:knot /var/lib/knot/zones
}
nsd_setup() {
	zone_put "$1/etc/nsd/db.wild"
	mkdir -p "$1/etc/nsd/nsd.conf.d"
	printf 'zone:\n\tname: wild\n\tzonefile: /etc/nsd/db.wild\n' >"$1/etc/nsd/nsd.conf.d/wild.conf"
}
pdns_setup() {
	zone_put "$1/etc/powerdns/db.wild"
	printf 'zone "wild" { type master; file "/etc/powerdns/db.wild"; };\n' >>"$1/etc/powerdns/named.conf"
}
recursor_setup() { printf 'incoming:\n  listen: [0.0.0.0]\n  allow_from: [0.0.0.0/0]\n' >"$1/etc/powerdns/recursor.d/wild.yml"; }
chrony_setup() { # without the right to set the server's clock, as everyone runs it in a Container
	printf 'allow\nlocal stratum 10\n' >"$1/etc/chrony/conf.d/wild.conf"
	sed -i 's/^DAEMON_OPTS=.*/DAEMON_OPTS="-F 1 -x"/' "$1/etc/default/chrony"
	mkdir -p "$1/etc/systemd/system/chrony.service.d"
	printf '[Unit]\nConditionCapability=\n' >"$1/etc/systemd/system/chrony.service.d/wild.conf"
}
freeradius_setup() {
	printf 'client wild {\n\tipaddr = 10.77.0.0/16\n\tsecret = testing123\n}\n' >>"$1/etc/freeradius/3.0/clients.conf"
	sed -i '1i wild Cleartext-Password := "wild"' "$1/etc/freeradius/3.0/mods-config/files/authorize"
}
snmpd_setup() { printf 'agentaddress udp:161\nrocommunity public 10.77.0.0/16\n' >"$1/etc/snmp/snmpd.conf"; }
tor_setup() { printf 'SocksPort 0.0.0.0:9050\n' >>"$1/etc/tor/torrc"; }
keepalived_setup() {
	printf 'vrrp_instance wild {\n\tinterface venet0\n\tvirtual_router_id 7\n\tunicast_src_ip 10.77.7.9\n\tunicast_peer {\n\t\t10.77.0.3\n\t}\n}\n' >"$1/etc/keepalived/keepalived.conf"
}
openvpn_setup() {
	chroot "$1" openvpn --genkey secret /etc/openvpn/wild.key
	printf 'proto udp\nport 1194\ndev null\nsecret /etc/openvpn/wild.key\ncipher AES-256-CBC\n' >"$1/etc/openvpn/wild.conf"
	chroot "$1" systemctl enable -q openvpn@wild
}
stunnel_setup() { # before a program that gives each line back
	chroot "$1" openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=wild -keyout /etc/stunnel/wild.pem -out /tmp/cert
	cat "$1/tmp/cert" >>"$1/etc/stunnel/wild.pem"
	printf 'foreground = yes\n[wild]\naccept = 0.0.0.0:7001\nexec = /bin/cat\nexecArgs = cat\ncert = /etc/stunnel/wild.pem\n' >"$1/etc/stunnel/wild.conf"
	chroot "$1" systemctl enable -q stunnel@wild
}
tinyproxy_setup() { printf 'Allow 10.77.0.0/16\n' >>"$1/etc/tinyproxy/tinyproxy.conf"; }
privoxy_setup() { sed -i 's/^listen-address .*127.*/listen-address 0.0.0.0:8118/; /^listen-address .*\[::1\]/d' "$1/etc/privoxy/config"; }
ssh_setup() { key_put "$1"; }
vsftpd_setup() { user_put "$1"; }
proftpd_setup() { user_put "$1"; }
samba_setup() {
	user_put "$1"
	page_put "$1"
	printf 'wild\nwild\n' | chroot "$1" smbpasswd -a -s wild
	printf '[wild]\npath = /var/www/html\n' >>"$1/etc/samba/smb.conf"
}
rsyncd_setup() {
	page_put "$1"
	printf '[wild]\npath = /var/www/html\n' >"$1/etc/rsyncd.conf"
	script_put "$1" wild-rsync 'd=$(mktemp -d); rsync -a "rsync://$1/wild/big.bin" "$d" && tr -d x <"$d/big.bin" | wc -c && stat -c %s "$d/big.bin"; rm -r "$d"'
}
gitdaemon_setup() {
	git init -q --bare "$1/srv/wild.git"
	script_put "$1" wild-git 'git ls-remote --symref "git://$1/wild.git"'
	chroot "$1" sh -c 'git init -q /tmp/w && cd /tmp/w && git config --global --add safe.directory "*" && git -c user.name=w -c user.email=w@w commit -q --allow-empty -m w && git push -q /srv/wild.git HEAD:main; rm -r /tmp/w'
	unit_put "$1" wild-git '/usr/bin/git daemon --reuseaddr --export-all --base-path=/srv'
}
tftpd_setup() { head -c 200000 /dev/zero | tr '\0' x >"$1/srv/tftp/big.bin"; }
cups_setup() {
	sed -i 's/^Listen localhost:631/Port 631\nServerAlias */; s/Order allow,deny/&\n  Allow all/' "$1/etc/cups/cupsd.conf"
	script_put "$1" wild-lpstat 'lpstat -h "$1" -r'
}
cron_sound() { # a job each minute
	inside "$1" sh -c 'echo "* * * * * touch /run/wild-cron" | crontab -'
	wait_for 130 inside "$1" test -e /run/wild-cron
}
atd_sound() {
	inside "$1" sh -c 'echo "touch /run/wild-at" | at now'
	wait_for 130 inside "$1" test -e /run/wild-at
}
fail2ban_setup() { printf '[sshd]\nbackend = systemd\n' >"$1/etc/fail2ban/jail.d/wild.local"; }
fail2ban_sound() { inside "$1" fail2ban-client status sshd; }
polkit_sound() { inside "$1" pkcheck --action-id org.freedesktop.policykit.exec --process 1; }
monit_setup() {
	mkdir -p "$1/etc/monit/conf.d"
	printf 'set httpd port 2812 allow 10.77.0.0/16\n' >"$1/etc/monit/conf.d/wild"
}
munin_setup() { echo 'allow ^10[.]77[.].*$' >>"$1/etc/munin/munin-node.conf"; }
zabbix_setup() { sed -i 's/^Server=.*/Server=0.0.0.0\/0/' "$1/etc/zabbix/zabbix_agentd.conf"; }
nut_setup() {
	sed -i 's/^MODE=.*/MODE=standalone/' "$1/etc/nut/nut.conf"
	echo 'LISTEN 0.0.0.0 3493' >>"$1/etc/nut/upsd.conf"
	printf '[wild]\n\tdriver = dummy-ups\n\tport = wild.dev\n' >>"$1/etc/nut/ups.conf"
	echo 'ups.status: OL' >"$1/etc/nut/wild.dev"
}
tmux_setup() {
	key_put "$1"
	script_put "$1" wild-tmux 'tmux has-session -t wild 2>/dev/null || tmux new-session -d -s wild top; tmux display -p -t wild "#{pane_pid}"'
}
screen_setup() {
	key_put "$1"
	script_put "$1" wild-screen 'screen -ls wild | grep -q wild || screen -dmS wild -t here top; screen -ls wild | grep -o "[0-9]*\.wild"'
}
supervisor_setup() {
	printf '[inet_http_server]\nport=0.0.0.0:9001\n[program:wild]\ncommand=/bin/sleep infinity\n' >"$1/etc/supervisor/conf.d/wild.conf"
}
uwsgi_setup() {
	mkdir -p "$1/srv/app"
	printf 'def application(environ, start):\n    start("200 OK", [("Content-Length", "12"), ("Connection", "close")])\n    return [b"static page\\n"]\n' >"$1/srv/app/wild_uwsgi.py"
	printf '[uwsgi]\nplugins = python3\nhttp-socket = :8002\nchdir = /srv/app\nmodule = wild_uwsgi\nprocesses = 4\n' >"$1/etc/uwsgi/apps-enabled/wild.ini"
}
inspircd_setup() { sed -i 's/<bind address="127.0.0.1"/<bind address=""/' "$1/etc/inspircd/inspircd.conf"; }
mpd_setup() { sed -i 's/^bind_to_address.*/bind_to_address "0.0.0.0"/' "$1/etc/mpd.conf"; }
gearman_setup() { sed -i 's/--listen=[^ "]*/--listen=0.0.0.0/' "$1/etc/default/gearman-job-server"; }
puma_setup() {
	mkdir -p "$1/srv/puma"
	echo 'run lambda { |e| [200, { "content-type" => "text/plain" }, ["static page\n"]] }' >"$1/srv/puma/config.ru"
	unit_put "$1" wild-puma '/usr/bin/puma -w 2 -t 2:5 -b tcp://0.0.0.0:8003 /srv/puma/config.ru'
}
unbound_setup() { printf 'server:\n\tinterface: 0.0.0.0\n\taccess-control: 0.0.0.0/0 allow\n' >"$1/etc/unbound/unbound.conf.d/wild.conf"; }
gunicorn_setup() {
	mkdir -p "$1/srv/app"
	printf 'def app(environ, start):\n    start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "12")])\n    return [b"static page\\n"]\n' >"$1/srv/app/wild.py"
	unit_put "$1" wild-gunicorn '/usr/bin/gunicorn -w 8 -k gthread --threads 2 --keep-alive 600 --chdir /srv/app -b 0.0.0.0:8000 wild:app'
}
node_setup() {
	# shellcheck disable=SC2016
	printf 'const s = require("http").createServer((q, a) => a.end("static page\\n")); s.keepAliveTimeout = 600000; s.listen(8001);\n' >"$1/srv/wild.js"
	unit_put "$1" wild-node '/usr/bin/node /srv/wild.js'
}
