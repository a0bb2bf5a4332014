#!/bin/sh
# Gradescope runs this once. Its images may have a bats that is too old.
# For servers in another language, add what builds and runs them.
apt-get update -qq
apt-get install -y -qq --no-install-recommends \
    ca-certificates gcc git libc6-dev make procps strace
git clone -q --depth 1 --branch v1.11.0 \
    https://github.com/bats-core/bats-core /opt/bats
/opt/bats/install.sh /usr/local
