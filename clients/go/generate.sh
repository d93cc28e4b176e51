#!/bin/sh
# Generate Go code for the contract below build/src, with Debian's protoc-gen-go-1-3.
set -eu
cd "$(dirname "$0")"
mkdir -p build/src
known=""
for name in duration timestamp wrappers; do
  known="$known,Mgoogle/protobuf/$name.proto=github.com/golang/protobuf/ptypes/$name"
done
known="$known,Mgoogle/protobuf/field_mask.proto=google.golang.org/genproto/protobuf/field_mask"
files=$(cd ../../protos && ls paretune/v1/*.proto)
for file in $files; do known="$known,M$file=paretune/v1"; done
# shellcheck disable=SC2086 # one word for each file
protoc -I ../../protos --go_out="plugins=grpc$known:build/src" $files
