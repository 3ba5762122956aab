#!/usr/bin/env bash
# A torture run whose receivers conceal one message in 1,000 has to fail, and to say which ones never arrived.
#
#   planted_loss.sh TORTURE_PROGRAM
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
status=0
"$1" --seconds 3 --seed 1 --keys off --fault-interval 60000 --patience 5 --planted-loss 1000 --folder "$folder" \
  >"$folder/out" 2>&1 || status=$?
cat "$folder/out"
[ "$status" = 1 ]
grep -qE '^FAULT  message [0-9]+000 never arrived: from .* confirmed by broker ' "$folder/out"
