# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Part of scripts/quickstart: the servers are asked, which shows what they do and checks it. check_cnt and failed_cnt
# say how that went.

check_cnt=0
failed_cnt=0
output=

# Shows a command line and what it prints; the output stays in `output`.
show() {
	local word line=
	for word in "$@"; do
		[[ $word =~ ^[A-Za-z0-9@+=:,./_-]+$ ]] || word="'$word'"
		line+=" $word"
	done
	printf '\n$%s\n' "$line"
	output=$("$@" 2>&1) || true
	[ -z "$output" ] || printf '%s\n' "$output"
}

# check WHAT PATTERN...: the last output has each of these; one that begins with ! it has not.
check() {
	local what=$1 pattern
	shift
	check_cnt=$((check_cnt + 1))
	for pattern in "$@"; do
		if [ "${pattern#!}" != "$pattern" ]; then
			! grep -qE -- "${pattern#!}" <<<"$output" && continue
		else
			grep -qE -- "$pattern" <<<"$output" && continue
		fi
		printf '# NOT SO: %s (expected %s)\n' "$what" "$pattern"
		failed_cnt=$((failed_cnt + 1))
		return 0
	done
	printf '# %s\n' "$what"
}

ask() { show "${here[@]}" dig +norecurse +nocmd +noquestion +nostats "$@"; }

demonstrate_answers() {
	ask "@$server4" www.example A
	check 'an answer' 'status: NOERROR' 'flags: qr aa;' '^www\.example\..*192\.0\.2\.80'
	ask "@$server4" host.research.example A
	check 'a referral with glue' 'status: NOERROR' '!flags:.* aa' '^research\.example\..*NS' \
		'^ns\.research\.example\..*203\.0\.113\.53'
	ask "@$server4" www.nsec.test A +dnssec
	check 'a signed answer' 'status: NOERROR' 'flags: qr aa;' 'RRSIG[[:space:]]+A 13 3'
	ask "@$server4" nothing.nsec.test A +dnssec
	check 'a name that is not there, proven with NSEC' 'status: NXDOMAIN' \
		'IN[[:space:]]+NSEC[[:space:]]' 'RRSIG[[:space:]]+NSEC '
	ask "@$server4" host.secure.nsec3.test A +dnssec
	check 'a referral to a signed zone' '^secure\.nsec3\.test\..*DS[[:space:]]+12345' \
		'RRSIG[[:space:]]+DS'
}

demonstrate_tcp() {
	ask "@$server4" www.example A +tcp
	check 'the same over TCP, from the daemon' 'status: NOERROR' 'flags: qr aa;' \
		'^www\.example\..*192\.0\.2\.80'
}

demonstrate_ipv6() {
	ask "@$server6" www.example AAAA
	check 'an answer over IPv6' 'status: NOERROR' '^www\.example\..*2001:db8::80'
	ask "@$server6" nothing.nsec3.test A +dnssec
	check 'a name that is not there, proven with NSEC3, over IPv6' 'status: NXDOMAIN' \
		'IN[[:space:]]+NSEC3[[:space:]]' 'RRSIG[[:space:]]+NSEC3 '
}

demonstrate_validation() {
	local zone
	for zone in nsec.test nsec3.test; do
		show "${here[@]}" delv "@$server4" -a "$dir/keys/$zone.anchor" "+root=$zone" "www.$zone" A
		check 'a validator trusts the answer' '^; fully validated'
		show "${here[@]}" delv "@$server4" -a "$dir/keys/$zone.anchor" "+root=$zone" "nothing.$zone" A
		check 'a validator trusts the proof' 'ncache nxdomain' '^; negative response, fully validated'
	done
}

demonstrate_change() {
	local zone_file=$dir/zones/example.zone
	ask "@$server4" hello.example TXT
	check 'the name that is to come' 'status: NXDOMAIN'
	# shellcheck disable=SC2016 # $ is sed's last line
	show sed -i 's/ hostmaster 2024010101 / hostmaster 2024010102 /; $a hello TXT "carved in stone"' \
		"$zone_file"
	show stele-compile import --store "$dir/store" --zone example "$zone_file"
	show stelectl wait example 2024010102
	check 'every core serves the change' 'serial 2024010102 on every core'
	ask "@$server4" hello.example TXT
	check 'the change, served' 'status: NOERROR' '^hello\.example\..*"carved in stone"'
}

demonstrate_update() {
	printf '%s\n' "server $server4" 'add chisel.example 60 TXT "changed by nsupdate"' send \
		>"$dir/update.txt"
	show cat "$dir/update.txt"
	show "${here[@]}" nsupdate -k "$dir/keys/update.key" "$dir/update.txt"
	show stelectl wait example 2024010103
	check 'every core serves the update' 'serial 2024010103 on every core'
	ask "@$server4" chisel.example TXT
	check 'the update, served' 'status: NOERROR' '^chisel\.example\..*"changed by nsupdate"'
}

demonstrate_secondary() {
	show stelectl zone moving.test
	check 'a zone from another server' '^role *secondary' '^served *1$'
	printf '%s\n' "server $host4 $primary_port" 'add news.moving.test 60 TXT "it has moved"' send \
		>"$dir/moving.txt"
	show cat "$dir/moving.txt"
	show "${here[@]}" nsupdate -k "$dir/keys/update.key" "$dir/moving.txt"
	show stelectl wait moving.test 2
	check 'every core serves what the other server has' 'serial 2 on every core'
	show grep 'transfer-in zone=moving.test.*serial=2 ' "$dir/mgmtd.log"
	check 'the change alone came over (IXFR)' 'kind=ixfr'
	ask "@$server4" news.moving.test TXT
	check 'the change at the other server, served' 'status: NOERROR' '^news\.moving\.test\..*"it has moved"'
}
