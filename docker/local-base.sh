#!/bin/sh
# local-base.sh NAME: make a base image from this machine's own packages, for builds and tests without a registry.
# Same layout as python:3.11-slim (/usr/local/bin/python3). The certificates of this machine come along: for tests on
# this machine only, never to be published.
set -eu
name=$1
engine=${ENGINE:-podman}
root=$(mktemp -d) list=$(mktemp)
trap 'rm -rf "$root" "$list" "$root.tar"' EXIT
python=$(command -v python3.11 || command -v python3)
prefix=$("$python" -c 'import sys; print(sys.base_prefix)')
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
for package in libc6 libgcc-s1 libstdc++6 zlib1g libssl3 libsqlite3-0 libffi8 libbz2-1.0 liblzma5 libexpat1 libuuid1 \
  libreadline8 libtinfo6 libncursesw6 base-files dash coreutils findutils libacl1 libattr1 libselinux1 libpcre2-8-0 \
  libgmp10 netbase tzdata ca-certificates libcrypt1; do dpkg -L $package 2>/dev/null || :; done |
  sort -u | grep -vE '^/usr/share/(doc|man|locale|lintian|bug|info)/|^/\.$' |
  while read -r file; do if [ -f "$file" ] || [ -L "$file" ]; then echo "$file"; fi; done > "$list"
mkdir -p "$root/etc/ld.so.conf.d" "$root/usr/bin" "$root/usr/lib" "$root/usr/lib64" "$root/usr/sbin" "$root/usr/local" "$root/tmp"
for folder in bin lib lib64 sbin; do ln -s usr/$folder "$root/$folder"; done
tar -C / -cf - --ignore-failed-read -T "$list" 2>/dev/null | tar -C "$root" -xf - --keep-directory-symlink
ln -sf dash "$root/usr/bin/sh"
(cd "$prefix" && tar --exclude=test --exclude=__pycache__ --exclude='site-packages/*' --exclude='*.a' --exclude=idlelib \
  --exclude=tkinter -cf - bin/python"$version" lib/python"$version" $(ls lib/libpython* 2>/dev/null)) |
  tar -C "$root/usr/local" -xf -
echo /usr/local/lib > "$root/etc/ld.so.conf.d/local.conf"
echo 'include /etc/ld.so.conf.d/*.conf' > "$root/etc/ld.so.conf"
ln -s python"$version" "$root/usr/local/bin/python3"
chmod 1777 "$root/tmp"
ldconfig -r "$root"
printf 'root:x:0:0::/root:/bin/sh\nnonroot:x:65532:65532::/nonexistent:/bin/false\n' > "$root/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' > "$root/etc/group"
tar -C "$root" -cf "$root.tar" .
"$engine" import -q "$root.tar" "$name"
