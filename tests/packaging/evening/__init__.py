"""The evening of a platform engineer: the documented commands on a clean Debian, with systemd as its first process."""
