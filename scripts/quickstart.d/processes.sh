# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Part of scripts/quickstart: what it has started and made, and how that is taken away again. In `dir` there is NAME.pid
# of each process (pid and start time), and `made`, a line for each thing that does not end with a process.

# Clock ticks from the machine's start to that of a process. Together with the pid, which is used again, it
# tells one process from every other.
started_at() {
	local stat fields
	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
	# Behind the program's name, which may have blanks and brackets in it.
	read -ra fields <<<"${stat##*) }"
	[ "${fields[0]}" != Z ] && printf '%s\n' "${fields[19]}"
}

# record FILE PID; of a process that has ended already, nothing that alive() would take for it.
record() {
	printf '%s %s\n' "$2" "$(started_at "$2" || echo ended)" >"$1"
}

# Prints the pid of a recorded process if it is that process still.
alive() {
	local pid start
	read -r pid start 2>/dev/null <"$dir/$1.pid" || return 1
	[ "$(started_at "$pid" || true)" = "$start" ] && printf '%s\n' "$pid"
}

end_daemon() {
	local pid i
	pid=$(alive "$1") || return 0
	kill -TERM "$pid" 2>/dev/null || return 0
	for ((i = 0; i < stop_max_s * 10; i++)); do
		alive "$1" >/dev/null || return 0
		sleep 0.1
	done
	say "the $1 does not end (process $pid): killed"
	kill -KILL "$pid" 2>/dev/null || true
	while alive "$1" >/dev/null; do sleep 0.1; done
}

# What was made, and only that. The interface goes with the responder.
take_away() {
	local i kind what
	for ((i = ${#daemons[@]} - 1; i >= 0; i--)); do end_daemon "${daemons[i]}"; done
	if [ -f "$dir/made" ]; then
		while read -r kind what; do
			[ "$kind" != namespace ] || ip netns del "$what" 2>/dev/null || true
		done <"$dir/made"
	fi
	rm -rf "$dir"
}

# The pid of whatever of a quickstart of this name is alive.
running() {
	local daemon
	for daemon in script "${daemons[@]}"; do alive "$daemon" && return 0; done
	return 1
}

# One at a time looks for what was left behind, takes it away, and says that the name is its own: else of two that
# start at once one would take the other's for something left behind. The lock is /run itself, which leaves nothing.
lock() {
	exec 9</run
	flock 9
}
unlock() { exec 9<&-; }
