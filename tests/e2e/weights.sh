# dho weights: what a file of PyTorch holds, as safetensors, wrong files.
# One process of one thread.
. "$(dirname "$0")/lib.bash"
golden=$here/tests/golden

cd "$golden/torch"
expect 0 "^module.w  *F32  *\[2, 3\]  *24$" weights inspect nested.pt
expect 0 "key state_dict: 1 tensors, 6 values, 24 bytes; 1 entries" weights inspect nested.pt
expect 0 '"dtype": "I64"' weights inspect plain.pt --json
expect 0 "key student" weights inspect two.pt --key student
expect 2 "asks for posix.system" weights inspect evil.pt
expect 0 "PyTorch legacy, key state_dict: 6 tensors" weights inspect legacy_strided.pt
expect 2 "neither" weights inspect "$golden/torch_exchange.py"
expect 2 "dho weights show: unknown command (known: inspect|convert)" weights show
expect 2 "no key \"x\"" weights inspect two.pt --key x
expect 0 "2.safetensors: 1 tensors" weights convert two.pt "$work/2.safetensors" --key teacher \
    --strip backbone.
expect 0 "^w  *F32" weights inspect "$work/2.safetensors"
expect 0 "12 tensors" weights convert plain.pt "$work/plain.safetensors"
expect 2 "begins with \"x\"" weights convert plain.pt "$work/x.safetensors" --strip x
expect 2 "usage: dho export" export --out x
cd "$here"

finish
