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
for name in types store optimizer; do known="$known,Mparetune/v1/$name.proto=paretune/v1"; done
protoc -I ../../protos --go_out="plugins=grpc$known:build/src" \
  paretune/v1/types.proto paretune/v1/store.proto paretune/v1/optimizer.proto
