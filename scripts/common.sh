# Read by the other scripts: where the tree is, what a terminal may see, and steps that keep their output to themselves.
# shellcheck shell=bash disable=SC2034  # what is set here is used there

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
logs=build/logs

bold='' dim='' red='' green='' reset='' on_terminal=false
if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ]; then
  on_terminal=true
  if [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' reset=$'\e[0m'
  fi
fi

say() { printf '%s\n' "$*"; }
fail() {
  printf '%s\n' "${red}$*${reset}" >&2
  exit 1
}

# The last line that a log has so far, short enough for one line of the terminal. A carriage return starts it afresh.
last_line() {
  local line
  line=$(tail -n 1 "$1" 2>/dev/null | tr '\r\t' '\n ' | tail -n 1)
  printf '%s' "${line:0:70}"
}

# step NAME COMMAND…: runs the command with its output in build/logs, and says in one line how it went. A terminal sees
# the log's last line while it grows; a failure shows the log's last lines, $log_lines of them if that is set. The
# command gets a process group of its own, so that an interrupt ends all of it.
step() {
  local name=$1 log="$logs/${1//[^a-zA-Z0-9]/-}.log" status=0 begin=$SECONDS child
  shift
  mkdir -p "$logs"
  set -m
  "$@" >"$log" 2>&1 </dev/null &
  child=$!
  set +m
  trap 'kill -TERM -- -'"$child"' 2>/dev/null; exit 130' INT TERM
  if $on_terminal; then
    while kill -0 "$child" 2>/dev/null; do
      printf '\r\e[K%s  %s%s%s' "$name" "$dim" "$(last_line "$log")" "$reset"
      sleep 0.2
    done
    printf '\r\e[K'
  fi
  wait "$child" || status=$?
  trap - INT TERM
  if [ "$status" = 0 ]; then
    say "${green}ok${reset}    $name  ${dim}$((SECONDS - begin)) s${reset}"
  else
    say "${red}failed${reset}  $name  ${dim}$((SECONDS - begin)) s${reset}  (exit code $status, $log)"
    tail -n "${log_lines:-60}" "$log" | cut -c 1-200 | sed 's/^/    /'
  fi
  return "$status"
}

jobs=$(nproc 2>/dev/null || echo 2)

# configure PRESET [-D…]; a compiler cache is used where there is one.
configure() {
  local preset=$1
  shift
  local launcher=()
  command -v ccache >/dev/null && launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  cmake --preset "$preset" "${launcher[@]}" "$@"
}
