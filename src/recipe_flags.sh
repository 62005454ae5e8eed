# Sourced by the recipes of stages 4 and 5, with their flags in "$@": what the flags say about the run holds for every stage.
#
# Sets CONFIG and DATA_DIR where a flag gives them, other_problems where the problems are not the configuration's, and
# shared_flags, the flags that both stages understand. results_file is the results file of LiveCodeBench that --solutions names.
# launcher starts a training: python, or torchrun with one process per GPU where there are several.

shared_flags=()
other_problems=
results_file=
_flags=("$@")
for ((_i = 0; _i < ${#_flags[@]}; _i++)); do
  case ${_flags[_i]} in
    --config=* | --data-dir=* | --out-dir=* | --problems=* | --release=* | --windows=* | --split-file=* | --seed=*)
      _name=${_flags[_i]%%=*} _value=${_flags[_i]#*=}
      ;;
    --config | --data-dir | --out-dir | --problems | --release | --windows | --split-file | --seed)
      _name=${_flags[_i]} _value=${_flags[_i + 1]-}
      _i=$((_i + 1))
      ;;
    --solutions=*.json | --solutions)
      _value=${_flags[_i]#--solutions=}
      [[ $_value != --solutions ]] || _value=${_flags[_i + 1]-}
      [[ $_value != *.json ]] || results_file=$_value
      continue
      ;;
    *) continue ;;
  esac
  shared_flags+=("$_name" "$_value")
  case $_name in
    --config) CONFIG=$_value ;;
    --data-dir) DATA_DIR=$_value ;;
    --problems) other_problems=$_value ;;
  esac
done
unset _flags _i _name _value

if [[ -n ${CUDA_VISIBLE_DEVICES+set} ]]; then
  _gpus=$(tr ',' '\n' <<<"$CUDA_VISIBLE_DEVICES" | grep -c '[0-9A-Za-z]' || true)
else
  _gpus=$(nvidia-smi -L 2>/dev/null | grep -c '^GPU' || true)
fi
NUM_PROCESSES=${NUM_PROCESSES:-$_gpus}
launcher=(python)
if ((NUM_PROCESSES > 1)); then launcher=(torchrun --standalone --nproc-per-node "$NUM_PROCESSES"); fi
unset _gpus
