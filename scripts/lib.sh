# Shared by the scripts. Source it.

# Names each missing host tool with the Debian package that holds it.
need_tools() {
    missing=
    for pair in cargo:rustup cc:gcc apt-get:apt dpkg-deb:dpkg; do
        command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
    done
    [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] ||
        missing="$missing debian-archive-keyring"
    # The guest agent is linked statically.
    cc -print-file-name=libc.a 2>/dev/null | grep -q / || missing="$missing libc6-dev"
    if [ -n "$missing" ]; then
        echo "missing:$missing (on Debian: apt install$missing)" >&2
        exit 125
    fi
}
