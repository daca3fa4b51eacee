#!/bin/sh
# The agent runner reads its request on stdin and takes this process's place, so that signals reach it.
exec /app/nanoclaw-agent "$@"
