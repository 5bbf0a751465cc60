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
service bind dns 'bind9' 'named' 'dns:localhost=127.0.0.1*4'
service unbound dns 'unbound' 'unbound' 'dns:localhost=127.0.0.1*4'
service dnsmasq dns 'dnsmasq' 'dnsmasq' 'dns:localhost=127.0.0.1*4'
service chrony net 'chrony' 'chrony'
service ntpsec net2 'ntpsec' 'ntpsec'
service freeradius net 'freeradius' 'freeradius'
service coturn net 'coturn' 'coturn'
service snmpd net 'snmpd' 'snmpd'
service tor net 'tor' 'tor tor@default'
service avahi net 'avahi-daemon' 'avahi-daemon'
service kea net 'kea-dhcp4-server' 'kea-dhcp4-server'
service lldpd net 'lldpd' 'lldpd'
service keepalived net 'keepalived' 'keepalived'
service ssh files 'openssh-server' 'ssh'
service vsftpd files 'vsftpd' 'vsftpd'
service proftpd files2 'proftpd-core' 'proftpd'
service samba files 'samba' 'smbd nmbd'
service rsyncd files 'rsync' 'rsync'
service gitdaemon files 'git-daemon-sysvinit' 'git-daemon'
service tftpd files 'tftpd-hpa' 'tftpd-hpa'
service transmission files 'transmission-daemon' 'transmission-daemon'
service cups files 'cups-daemon' 'cups'
service cron sys 'cron' 'cron'
service atd sys 'at' 'atd'
service fail2ban sys 'fail2ban' 'fail2ban'
service polkit sys 'polkitd dbus' 'polkit'
service monit sys 'monit' 'monit'
service collectd sys 'collectd-core' 'collectd'
service munin sys 'munin-node' 'munin-node'
service prometheus sys 'prometheus' 'prometheus'
service nodeexporter sys 'prometheus-node-exporter' 'prometheus-node-exporter'
service zabbix sys 'zabbix-agent' 'zabbix-agent'
service nut sys 'nut-server' 'nut-server'
service gunicorn rt 'gunicorn python3' 'wild-gunicorn' 'web:8000/index.html*4'
service uwsgi rt 'uwsgi' 'uwsgi'
service node rt 'nodejs' 'wild-node' 'web:8001/index.html*4'
service icecast rt 'icecast2' 'icecast2'
service ejabberd rt 'ejabberd' 'ejabberd'
service mumble rt 'mumble-server' 'mumble-server'
service ircd rt 'ngircd' 'ngircd'

# ---- what makes them reachable, or do something --------------------------------------------------------------------

page_put() { # TREE: a page and a file of 3,000,000 bytes
	mkdir -p "$1/var/www/html"
	echo 'static page' >"$1/var/www/html/index.html"
	head -c 3000000 /dev/zero | tr '\0' x >"$1/var/www/html/big.bin"
}

unit_put() { # TREE NAME COMMAND
	printf '[Service]\nExecStart=%s\n[Install]\nWantedBy=multi-user.target\n' "$3" >"$1/etc/systemd/system/$2.service"
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
mosquitto_setup() { printf 'listener 1883\nallow_anonymous true\n' >"$1/etc/mosquitto/conf.d/wild.conf"; }
beanstalkd_setup() { sed -i 's/^BEANSTALKD_LISTEN_ADDR=.*/BEANSTALKD_LISTEN_ADDR=0.0.0.0/' "$1/etc/default/beanstalkd"; }
exim_setup() { sed -i "s/^dc_local_interfaces=.*/dc_local_interfaces=''/; s/^dc_other_hostnames=.*/dc_other_hostnames='localhost'/" "$1/etc/exim4/update-exim4.conf.conf"; }
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
