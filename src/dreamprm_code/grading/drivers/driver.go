@PROGRAM@

// Reads the arguments of a function, one JSON value a line, as the types that it declares; prints its result as JSON.
func main() {
	text, _ := driverio.ReadAll(driveros.Stdin)
	function := driverreflect.ValueOf(@TARGET@)
	kind := function.Type()
	var given []driverreflect.Value
	for _, line := range driverstrings.Split(string(text), "\n") {
		if driverstrings.TrimSpace(line) == "" {
			continue
		}
		if len(given) == kind.NumIn() {
			panic("the function takes fewer arguments than the tests give")
		}
		var data interface{}
		decoder := driverjson.NewDecoder(driverstrings.NewReader(line))
		decoder.UseNumber()
		if err := decoder.Decode(&data); err != nil {
			panic(err)
		}
		place := driverreflect.New(kind.In(len(given))).Elem()
		driverRead(place, data)
		given = append(given, place)
	}
	if len(given) != kind.NumIn() || kind.NumOut() != 1 {
		panic("the function takes more arguments than the tests give, or does not return one value")
	}
	driveros.Stdout.WriteString("\n\x1e" + driverWrite(function.Call(given)[0]) + "\n")
}

func driverRead(place driverreflect.Value, data interface{}) {
	switch item := data.(type) {
	case bool:
		place.SetBool(item)
	case string:
		switch letters := []rune(item); {
		case place.Kind() == driverreflect.Uint8 && len(item) == 1:
			place.SetUint(uint64(item[0]))
		case place.Kind() == driverreflect.Int32 && len(letters) == 1:
			place.SetInt(int64(letters[0]))
		default:
			place.SetString(item)
		}
	case driverjson.Number:
		var err error
		if place.CanInt() {
			var number int64
			number, err = driverstrconv.ParseInt(string(item), 10, place.Type().Bits())
			place.SetInt(number)
		} else if place.CanUint() {
			var number uint64
			number, err = driverstrconv.ParseUint(string(item), 10, place.Type().Bits())
			place.SetUint(number)
		} else {
			var number float64
			number, err = driverstrconv.ParseFloat(string(item), place.Type().Bits())
			place.SetFloat(number)
		}
		if err != nil {
			panic(err)
		}
	case []interface{}:
		all := driverreflect.MakeSlice(place.Type(), len(item), len(item))
		for i := range item {
			driverRead(all.Index(i), item[i])
		}
		place.Set(all)
	default:
		panic("an argument is not data")
	}
}

func driverWrite(value driverreflect.Value) string {
	const characters = @CHARACTERS@ // whether a result of type byte or rune is a string of one character
	switch kind := value.Kind(); {
	case kind == driverreflect.Bool:
		return driverstrconv.FormatBool(value.Bool())
	case kind == driverreflect.String:
		said, _ := driverjson.Marshal(value.String())
		return string(said)
	case characters && (kind == driverreflect.Uint8 || kind == driverreflect.Int32):
		said, _ := driverjson.Marshal(string(value.Convert(driverreflect.TypeOf(rune(0))).Interface().(rune)))
		return string(said)
	case value.CanInt():
		return driverstrconv.FormatInt(value.Int(), 10)
	case value.CanUint():
		return driverstrconv.FormatUint(value.Uint(), 10)
	case value.CanFloat():
		if value.Float()-value.Float() != 0 {
			return "null"
		}
		return driverstrconv.FormatFloat(value.Float(), 'g', -1, value.Type().Bits())
	case kind == driverreflect.Interface && !value.IsNil():
		return driverWrite(value.Elem())
	case kind == driverreflect.Slice || kind == driverreflect.Array:
		parts := make([]string, value.Len())
		for i := range parts {
			parts[i] = driverWrite(value.Index(i))
		}
		return "[" + driverstrings.Join(parts, ",") + "]"
	}
	panic("a result of type " + value.Type().String() + " is not data")
}
