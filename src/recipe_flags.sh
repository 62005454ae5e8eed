# Sourced by the recipes of stages 4 and 5, with their flags in "$@": what the flags say about the run holds for every stage.
#
# Sets CONFIG and DATA_DIR where a flag gives them, other_problems where the problems are not the configuration's, and
# shared_flags, the flags that both stages understand.

shared_flags=()
other_problems=
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
