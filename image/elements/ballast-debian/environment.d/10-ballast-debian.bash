# SPDX-License-Identifier: Apache-2.0
export DISTRO_NAME=debian
export DIB_RELEASE=trixie
export DIB_INIT_SYSTEM=systemd
# The packages come from a folder, so there is nothing to keep for the next time.
export DIB_APT_LOCAL_CACHE=0
# The initramfs is made once, when everything it holds is there.
export INITRD=No
