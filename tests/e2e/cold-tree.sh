#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What a private area may hold, moved and compared by independent means.
. "$(dirname "$0")/../lib.sh"

lab_start --vz 1G --image mini a b
on a sh -c 'mkdir /tmp/tree && tar -C /tmp/tree -xf /templates/mini.tar.zst'
must on a pctl create 101 --ostemplate /tmp/tree
on a python3 - <<'END'
import os, random, stat, socket, subprocess
os.chdir("/vz/private/101")
os.mkdir("odd")
os.chdir("odd")
random.seed(1)
def put(name, data=b"x"):
    with open(name, "wb") as f: f.write(data)
for name in [b"with blank", b" lead", b"trail ", b"new\nline", b"tab\t", b"\xff\xfe not utf-8", b"'quote\"", b"-dash", b"*?[", b"back\\slash",
             b"n" * 255, b"\x01control", "ümläut".encode()]:
    put(name, name)
# a path far longer than PATH_MAX
top = os.open(".", os.O_RDONLY)
for i in range(40):
    os.mkdir("d" * 200); os.chdir("d" * 200)
put("deep", b"down here")
os.fchdir(top)
# sizes: empty, one byte around block sizes, sparse, larger than a frame
for n in (0, 1, 4095, 4096, 4097, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 << 20):
    put(f"size{n}", random.randbytes(n))
with open("sparse", "wb") as f:
    f.seek(3 << 30); f.write(b"end"); f.seek(1 << 30); f.write(b"middle")
with open("allhole", "wb") as f: f.truncate(1 << 33)
# hard links across directories, symlinks of every kind
os.mkdir("links"); put("linked", b"one inode"); os.link("linked", "links/again"); os.link("linked", "links/once more")
os.symlink("/etc/passwd", "abs"); os.symlink("../../../../../../etc/shadow", "up"); os.symlink("nowhere", "dangling"); os.symlink("x" * 4000, "longlink")
os.symlink("linked", "sym"); os.link("sym", "sym2", follow_symlinks=False)
# devices, fifo, socket
os.mknod("null", 0o666 | stat.S_IFCHR, os.makedev(1, 3)); os.mknod("blk", 0o600 | stat.S_IFBLK, os.makedev(7, 300000)); os.mkfifo("fifo", 0o640)
s = socket.socket(socket.AF_UNIX); s.bind("sock")
# owners, modes, times
put("owner"); os.chown("owner", 4000000000, 123456); os.chmod("owner", 0o6755)
put("nomode"); os.chmod("nomode", 0); os.mkdir("sticky"); os.chmod("sticky", 0o1777); os.chown("dangling", 5, 6, follow_symlinks=False)
os.utime("owner", ns=(1, 1234567890123456789)); os.utime("sticky", ns=(7, 7)); os.utime("dangling", ns=(1, 999999999), follow_symlinks=False)
put("old"); os.utime("old", ns=(-86400 * 10**9, -86400 * 10**9))
# attributes
put("xattr"); os.setxattr("xattr", "user.colour", b"blue\0red"); os.setxattr("xattr", "trusted.t", b"t" * 1000); os.setxattr("links", "user.dir", b"d")
subprocess.check_call(["setfacl", "-m", "u:77:rw,g:88:r", "xattr"]); subprocess.check_call(["setfacl", "-d", "-m", "u:99:rwx", "links"])
put("caps"); os.setxattr("caps", "security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))
put("immutable", b"keep"); subprocess.check_call(["chattr", "+i", "immutable"])
put("append", b"keep"); subprocess.check_call(["chattr", "+a", "append"])
os.mkdir("frozen"); put("frozen/inside", b"keep"); subprocess.check_call(["chattr", "+i", "frozen"])
os.mkdir("many")
for i in range(5000): put(f"many/{i}", b"%d" % i)
END
# What the destination's directory would hand down to new files must not reach them.
on b sh -c 'mkdir -p /vz/private && chgrp 4321 /vz/private && chmod g+s /vz/private && setfacl -d -m u:99:rwx /vz/private'
expect_exit 0 on a pmigrate c 101 c root@b
must same_tree a /vz/private/101.migrated b /vz/private/101

# Immutable and append-only files are no obstacle to -r yes.
expect_exit 0 on b pmigrate c 101 c root@a -r yes
expect_eq "$(on b ls /vz/private)" "" "what is left on b"
must same_tree a /vz/private/101.migrated a /vz/private/101

# ---- while it is read: files that grow, shrink, vanish, appear, change their type
on a sh -c 'rm -rf --one-file-system /vz/private/101.migrated 2>/dev/null || { chattr -R -i -a /vz/private/101.migrated 2>/dev/null; rm -rf /vz/private/101.migrated; }'
put a /vz/private/101/etc/rc <<'END'
#!/bin/sh
mkdir -p /busy && cd /busy
n=0
while :; do
	n=$((n + 1))
	echo "$n" >>grows; echo "$n" >shrinks; : >shrinks
	mkdir -p dir.$((n % 7)); echo "$n" >dir.$((n % 7))/f; mv dir.$((n % 7)) moved.$((n % 5)) 2>/dev/null
	rm -rf moved.$(((n + 2) % 5)); ln -sf "$n" link; rm -f turn; if [ $((n % 2)) = 0 ]; then mkdir turn; else rmdir turn 2>/dev/null; echo "$n" >turn; fi
	ln -f grows hard.$((n % 3)); rm -f hard.$(((n + 1) % 3))
done
END
on a chmod 755 /vz/private/101/etc/rc
must on a pctl start 101
sleep 1
expect_exit 0 on a pmigrate c 101 c root@b -s
must same_tree a /vz/private/101.migrated b /vz/private/101
