#!/usr/bin/env bash
# deploy.sh brings a server up to date: it pulls, builds an image that knows what it
# was built from, restarts the service, and waits until /health answers with the very
# commit that was pulled. If that does not come it puts the previous image and its
# commit's files back, and waits for that one.
#
#   deploy.sh [-n] [-s] [-f] [-b BRANCH]
#
#   -n  say what would be done, and do nothing but fetch
#   -s  take a snapshot first, by the version that runs
#   -f  deploy also what is running already, or was rolled back before
#   -b  the branch to deploy; the default is the one that is checked out
#
# Exit codes: 0 deployed, or there was nothing to deploy; 1 failed before the restart,
# the service was not touched; 2 wrong usage; 3 refused: the working tree has changes of
# its own, or this commit was rolled back before; 4 rolled back, and the previous version
# answers; 5 not rolled back: look at the service; 6 another deployment is running.
#
# What may be set in the environment, with the defaults:
#
#   DEPLOY_REMOTE=origin
#   DEPLOY_COMPOSE=compose.yaml beside this script, and compose.override.yaml where it is
#                                    there; others separated by colons
#   DEPLOY_SERVICE=atocore           the service in it
#   DEPLOY_URL=http://127.0.0.1:8766/health
#   DEPLOY_TIMEOUT=90                seconds to wait for an answer
#   DEPLOY_POLL=1                    seconds between two questions
#   ATOCORE_IMAGE=atocore:latest     as in compose.yaml
set -euo pipefail

dry=''           # -n
branch=''        # -b
sha=''           # the commit to deploy
old_sha=''       # what runs before
can_roll_back='' # there is a previous image
restarted=''     # and the new version has not answered yet
reexec=${DEPLOY_REEXEC:-}
unset DEPLOY_REEXEC

say() { printf 'deploy: %s\n' "$*"; }
complain() { printf 'deploy: %s\n' "$*" >&2; }
die() {
	local code=$1
	shift
	complain "$*"
	exit "$code"
}

# The lock is on file descriptor 9, which survives the exec of a new script and is not
# for children that could outlive it.
docker_() { docker "$@" 9>&-; }
compose() { ATOCORE_IMAGE=$image docker_ compose "${compose_files[@]}" "$@"; }

settings() {
	script=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)/$(basename "${BASH_SOURCE[0]}")
	remote=${DEPLOY_REMOTE:-origin}
	service=${DEPLOY_SERVICE:-atocore}
	url=${DEPLOY_URL:-http://127.0.0.1:8766/health}
	timeout=${DEPLOY_TIMEOUT:-90}
	poll=${DEPLOY_POLL:-1}
	image=${ATOCORE_IMAGE:-atocore:latest}
	previous=$image:previous
	case ${image##*/} in *:*) previous=${image%:*}:previous ;; esac
	compose_files=()
	local files file beside
	beside=$(dirname "$script")
	# By itself compose reads the override where no file is named.
	[ ! -e "$beside/compose.override.yaml" ] || file=:$beside/compose.override.yaml
	IFS=: read -r -a files <<<"${DEPLOY_COMPOSE:-$beside/compose.yaml${file:-}}"
	for file in "${files[@]}"; do compose_files+=(-f "$file"); done
}

# lock keeps a second deployment out. The script that was pulled has it already.
lock() {
	if [ -z "$reexec" ]; then
		exec 9>"$(git rev-parse --absolute-git-dir)/deploy.lock"
	elif ! { : >&9; } 2>/dev/null; then
		die 2 "DEPLOY_REEXEC is set, but this script was not started by itself: unset it"
	fi
	flock -n 9 || die 6 "another deployment is running"
}

clean() {
	local changes
	changes=$(git status --porcelain)
	[ -z "$changes" ] || die 3 "the working tree has changes of its own, which would be built in:
$changes"
}

# fetch finds out what is to be deployed.
fetch() {
	local checked_out
	checked_out=$(git symbolic-ref --quiet --short HEAD) || die 3 "no branch is checked out"
	[ "${branch:=$checked_out}" = "$checked_out" ] || die 3 "$branch is to be deployed, but $checked_out is checked out"
	git fetch --quiet "$remote" "refs/heads/$branch" 9>&- || die 1 "$branch cannot be fetched from $remote"
	sha=$(git rev-parse FETCH_HEAD)
	git merge-base --is-ancestor HEAD "$sha" || die 3 "$branch here has commits that $remote has not"
}

# health prints the build_sha of a service that is well.
health() {
	local answer
	answer=$(curl --noproxy '*' --fail --silent --max-time 5 "$url" 9>&-) || return 1
	sed -n 's/.*"build_sha"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p' <<<"$answer"
}

# answers waits until the service is well and is the commit $1; empty is any but $2.
answers() {
	local deadline=$((SECONDS + timeout)) got=
	while :; do
		if got=$(health) && { [ "$got" = "$1" ] || { [ -z "$1" ] && [ "$got" != "$2" ]; }; }; then
			return 0
		fi
		[ "$SECONDS" -lt "$deadline" ] || break
		sleep "$poll" 9>&-
	done
	complain "after $timeout s $url answers with ${got:-nothing}, not with ${1:-a version before $2}"
	return 1
}

# remember notes the image that runs, to go back to, and what it answers with.
remember() {
	local container id
	container=$(compose ps --all --quiet "$service") || die 1 "docker compose does not answer"
	[ -n "$container" ] || return 0
	id=$(docker_ inspect --format '{{.Image}}' "${container%%$'\n'*}")
	docker_ tag "$id" "$previous"
	can_roll_back=1
	if ! old_sha=$(health); then
		old_sha=$(docker_ inspect --format '{{index .Config.Labels "org.opencontainers.image.revision"}}' "$previous")
		[[ $old_sha =~ ^[0-9a-f]{40,64}$ ]] || old_sha='' # an image that was built otherwise
	fi
}

build() {
	say "building $sha"
	BUILD_SHA=$sha BUILD_TIME=$(date -u +%Y-%m-%dT%H:%M:%SZ) BUILD_VERSION=$(git describe --tags --always) \
		compose build "$service" || die 1 "the build failed; the service was not touched"
}

restart() { compose up --detach --no-build --no-deps "$service"; }

roll_back() {
	restarted=''
	printf '%s\n' "$sha" >"$failed"
	compose logs --tail 50 "$service" >&2 || true
	[ -n "$can_roll_back" ] || die 5 "there is no version before $sha to go back to; it is left as it is"
	say "going back to ${old_sha:-the previous image}"
	# The compose file of the new version may be what the old one cannot run with.
	if [[ $old_sha =~ ^[0-9a-f]{40,64}$ ]] && git merge-base --is-ancestor "$old_sha" HEAD 2>/dev/null; then
		git reset --quiet --keep "$old_sha" 9>&- || complain "the working tree stays at $sha"
	fi
	if docker_ tag "$previous" "$image" && restart && answers "$old_sha" "$sha"; then
		die 4 "$sha was rolled back; ${old_sha:-the previous image} runs again"
	fi
	die 5 "$sha failed, and so does ${old_sha:-the previous image}: look at the service"
}

# interrupted keeps a half-done deployment from being left alone.
# shellcheck disable=SC2317 # a trap calls it
interrupted() {
	local code=$?
	trap - EXIT
	if [ -n "$restarted" ]; then
		complain "interrupted before the new version has answered"
		roll_back
	fi
	exit "$code"
}

main() {
	local snapshot='' force='' before option arguments=("$@")
	while getopts nsfb: option; do
		case $option in
		n) dry=1 ;;
		s) snapshot=1 ;;
		f) force=1 ;;
		b) branch=$OPTARG ;;
		*) die 2 "usage: $0 [-n] [-s] [-f] [-b BRANCH]" ;;
		esac
	done
	shift $((OPTIND - 1))
	[ $# -eq 0 ] || die 2 "usage: $0 [-n] [-s] [-f] [-b BRANCH]"
	settings
	cd "$(git -C "$(dirname "$script")" rev-parse --show-toplevel)"
	failed=$(git rev-parse --absolute-git-dir)/deploy.failed
	lock
	clean

	before=$(git rev-parse HEAD)
	local running
	running=$(health) || running=''
	if [ -z "$reexec" ]; then
		fetch
		if [ -z "$force" ] && [ "$running" != "$sha" ] && [ -e "$failed" ] && [ "$(<"$failed")" = "$sha" ]; then
			die 3 "$sha was rolled back before; -f tries it again"
		fi
		[ -n "$dry" ] || git merge --quiet --ff-only "$sha" 9>&- || die 1 "cannot move to $sha"
		local path=${script#"$PWD"/}
		if [ -z "$dry" ] && ! git diff --quiet "$before" "$sha" -- "$path"; then
			say "this script has changed: going on with the new one"
			# The guard: the new one neither pulls nor does this again.
			exec env DEPLOY_REEXEC="$sha" "$BASH" "$script" "${arguments[@]}"
		fi
	else
		sha=$reexec
		[ "$before" = "$sha" ] || die 3 "$sha was pulled, but $before is checked out"
	fi

	if [ -z "$force" ] && [ "$running" = "$sha" ]; then
		say "nothing to deploy: $sha runs"
		exit 0
	fi
	if [ -n "$dry" ]; then
		say "would deploy $sha in place of ${running:-nothing that answers}:"
		git --no-pager log --oneline "$before..$sha"
		exit 0
	fi

	remember
	if [ -n "$snapshot" ] && [ -n "$can_roll_back" ]; then
		say "taking a snapshot"
		compose run --rm --no-deps -T "$service" backup create --label "before ${sha:0:12}" ||
			die 1 "no snapshot could be taken; the service was not touched"
	fi
	build
	trap interrupted EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	restarted=1
	say "restarting"
	if ! restart || ! answers "$sha" ''; then
		trap - EXIT
		roll_back
	fi
	restarted=''
	trap - EXIT INT TERM HUP
	rm -f "$failed"
	say "deployed: $url answers with $sha"
	docker_ image prune --force --filter label=org.opencontainers.image.title=atocore >/dev/null ||
		complain "old images were not removed"
}

# In a function, so that bash has read all of it before the pull replaces the file.
main "$@"
exit
