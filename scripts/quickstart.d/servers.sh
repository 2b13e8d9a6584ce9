# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Part of scripts/quickstart: zones, keys, configurations, and the three servers that are started with them: the
# responder, the daemon beside it (mgmtd), and a primary for the daemon, which is a daemon too.

# ---- zones ----

sign() {
	local zone=$1 key denial=()
	[ "$2" = nsec ] || denial=(-n -t 0)
	key=$(cd "$dir/keys" && ldns-keygen -k -a ECDSAP256SHA256 -r /dev/urandom "$zone")
	# A year: longer than anybody leaves a demonstration running.
	ldns-signzone "${denial[@]}" -o "$zone" -e "$(date -u -d '+1 year' +%Y%m%d)" \
		-f "$dir/zones/$zone.signed" "$dir/zones/$zone.zone" "$dir/keys/$key"
	# As delv wants it: the trust anchor.
	sed -E 's/.*DNSKEY[[:space:]]+([0-9]+ [0-9]+ [0-9]+) ([^ ]+).*/\1 "\2";/' "$dir/keys/$key.key" |
		sed "s/^/trust-anchors { $zone. static-key /; s/\$/ };/" >"$dir/keys/$zone.anchor"
}

make_zones() {
	mkdir "$dir/zones" && mkdir -m 700 "$dir/keys"
	cp config/examples/*.zone "$dir/zones/"
	# Signed with the tools of ldns: it is the smallest signer, and its library is needed anyway.
	sign nsec.test nsec >/dev/null
	sign nsec3.test nsec3 >/dev/null
	printf '%s\n' "example. $dir/zones/example.zone" "nsec.test. $dir/zones/nsec.test.signed" \
		"nsec3.test. $dir/zones/nsec3.test.signed" >"$dir/zones/list"
}

# A key for changes, as the daemons want it and as nsupdate does.
make_key() {
	local secret
	secret=$(head -c 32 /dev/urandom | base64)
	(
		umask 077
		printf 'keys: [{ id: update., algorithm: hmac-sha256, secret: "%s" }]\n' "$secret" \
			>"$dir/keys/keys.yaml"
		printf 'key "update." { algorithm hmac-sha256; secret "%s"; };\n' "$secret" \
			>"$dir/keys/update.key"
	)
}

# ---- daemons ----

# In quotes, for a shell and for YAML: the build directory may be called anything.
for_shell() { printf "'%s'" "${1//\'/\'\\\'\'}"; }
for_yaml() { printf "'%s'" "${1//\'/\'\'}"; }

write_env() {
	local programs
	programs=$(dirname "$compile"):$(dirname "$responder"):$(dirname "$stelectl")
	cat >"$dir/env" <<-TEXT
		PATH=$(for_shell "$programs"):\$PATH
		export STELE_RESPONDER_SOCKET=$dir/responder.sock STELE_MGMTD_SOCKET=$dir/mgmtd.sock
	TEXT
}

last_core() { sed -n 's/^Cpus_allowed_list:.*[^0-9]\([0-9]\{1,\}\)$/\1/p' /proc/self/status; }

write_responder_config() {
	local addresses="$server4/24"
	[ "$ipv6" = no ] || addresses+=", \"$server6/64\""
	mkdir "$dir/state"
	cat >"$dir/responder.yaml" <<-TEXT
		# Written by scripts/quickstart; docs/configuration.md has all options.
		image: $dir/demo.image
		state_dir: $dir/state
		control: $dir/responder.sock
		user: none                      # a service becomes the user stele
		memory: { huge_pages: none, image_arena: 64M }
		ports:
		  - device: net_tap
		    name: port0
		    args: { iface: $interface }
		    addresses: [$addresses]
		    cores: [$(last_core)]
		    exception: { kind: tap, interface: kernel0, namespace: $node }
		idle: { mode: sleep, max_delay: 1ms }
		answers: { nsid: quickstart }
	TEXT
}

# The daemon on the kernel's side of the server.
write_mgmtd_config() {
	local listen='{ address: 0.0.0.0 }'
	[ "$ipv6" = no ] || listen+=', { address: "::" }'
	cat >"$dir/mgmtd.yaml" <<-TEXT
		# Written by scripts/quickstart; docs/configuration.md has all options.
		store: $dir/store
		image: $dir/demo.image
		state_dir: $dir/mgmtd-state
		compiler: $(for_yaml "$compile")
		responder: $dir/responder.sock
		control: $dir/mgmtd.sock
		user: none
		keys: $dir/keys/keys.yaml
		threads: 1
		listen: [$listen]
		answers: { nsid: quickstart }
		remotes: [{ id: primary, addresses: [$host4], port: $primary_port, key: update. }]
		acls: [{ id: changer, keys: [update.] }]
		templates:
		  - { id: default, allow_update: [changer], allow_transfer: [changer] }
		  - { id: secondary, primaries: [primary] }
		zones:
		  - { name: example }
		  - { name: nsec.test }
		  - { name: nsec3.test }
		  - { name: moving.test, template: secondary }
	TEXT
}

# Another server, which has a zone that the daemon gets from it.
write_primary_config() {
	mkdir "$dir/primary"
	cat >"$dir/primary.yaml" <<-TEXT
		# Written by scripts/quickstart: the primary of moving.test.
		store: $dir/primary/store
		image: $dir/primary/image
		state_dir: $dir/primary/state
		compiler: $(for_yaml "$compile")
		responder: none
		control: $dir/primary.sock
		user: none
		keys: $dir/keys/keys.yaml
		threads: 1
		listen: [{ address: $host4, port: $primary_port }]
		remotes: [{ id: node, addresses: [$server4] }]
		acls: [{ id: changer, keys: [update.] }]
		templates: [{ notify: [node], allow_update: [changer], allow_transfer: [changer] }]
		zones: [{ name: moving.test }]
	TEXT
}

# Starts a daemon, on this host's side of the port or in `node_side`, and remembers it.
start_daemon() {
	local daemon=$1 side=("${here[@]}")
	shift
	[ "$daemon" != mgmtd ] || side=("${node_side[@]}")
	# In a session of its own, so that Ctrl-C reaches the script alone, which ends things in order.
	# DPDK keeps its files in RUNTIME_DIRECTORY.
	starting=$daemon
	env -u NOTIFY_SOCKET RUNTIME_DIRECTORY="$dir" setsid "${side[@]}" "$@" \
		</dev/null >>"$dir/$daemon.log" 2>&1 &
	record "$dir/$daemon.pid" $!
	starting=
}

# Waits until a command succeeds while the daemon lives.
await() {
	local daemon=$1 end=$((SECONDS + start_max_s))
	shift
	while ((SECONDS < end)); do
		alive "$daemon" >/dev/null || break
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	tail -n 20 "$dir/$daemon.log" >&2 || true
	fail 3 "the $daemon did not start"
}

is_healthy() { grep -q '^health *healthy$' <<<"$(stelectl status)"; }

start_responder() {
	write_responder_config
	start_daemon responder "$responder" -c "$dir/responder.yaml"
	await responder stelectl status
}

start_primary() {
	write_primary_config
	stele-compile import --store "$dir/primary/store" --zone moving.test "$dir/zones/moving.test.zone" ||
		fail 3 'moving.test is refused'
	start_daemon primary "$mgmtd" -c "$dir/primary.yaml"
	await primary stelectl --socket "$dir/primary.sock" wait moving.test 1 --timeout 1
}

start_mgmtd() {
	write_mgmtd_config
	start_daemon mgmtd "$mgmtd" -c "$dir/mgmtd.yaml"
	await mgmtd stelectl wait moving.test 1 --timeout 1
}

# This host's end of the cable.
address_interface() {
	local tool=(ip)
	[ -z "$outside" ] || tool=(ip -n "$outside")
	"${tool[@]}" link set "$interface" up
	"${tool[@]}" addr add "$host4/24" dev "$interface"
	[ "$ipv6" = no ] || "${tool[@]}" addr add "$host6/64" dev "$interface" nodad ||
		fail 3 "IPv6 is switched off on $interface (sysctl net.ipv6.conf.default.disable_ipv6)"
}
