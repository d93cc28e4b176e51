#!/bin/sh
# GPUs that are folders beside this file: NAME/total in MiB, and one file with MiB for each process, named by its id.
# What is called `leak` counts without a process.
for folder in "$(dirname "$0")"/GPU-*; do
    uuid=$(basename "$folder")
    case "$1" in
    *memory.total*) echo "$uuid, Fake, $(cat "$folder/total")" ;;
    *)
        used=5
        for file in "$folder"/*; do
            owner=$(basename "$file")
            if [ "$owner" = leak ] || { [ "$owner" != total ] && kill -0 "$owner" 2>/dev/null; }; then
                used=$((used + $(cat "$file")))
            fi
        done
        echo "$uuid, $used, 10"
        ;;
    esac
done
