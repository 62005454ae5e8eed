@PROGRAM@
/** Reads the arguments of a method, one JSON value a line, as the types that it declares; prints its result as JSON. */
class DreamprmDriver {
    private final String text;
    private int at = 0;

    private DreamprmDriver(String text) {
        this.text = text.strip();
    }

    public static void main(String[] args) throws Throwable {
        java.io.OutputStream out = new java.io.FileOutputStream(java.io.FileDescriptor.out);
        String[] lines = new String(System.in.readAllBytes(), java.nio.charset.StandardCharsets.UTF_8)
            .lines().filter(line -> !line.isBlank()).toArray(String[]::new);
        java.lang.reflect.Method method = find(lines.length);
        java.lang.reflect.Type[] types = method.getGenericParameterTypes();
        Object[] given = new Object[lines.length];
        for (int i = 0; i < given.length; i++) given[i] = new DreamprmDriver(lines[i]).value(types[i]);
        Object owner = null;
        if (!java.lang.reflect.Modifier.isStatic(method.getModifiers())) {
            java.lang.reflect.Constructor<?> make = method.getDeclaringClass().getDeclaredConstructor();
            make.setAccessible(true);
            owner = make.newInstance();
        }
        StringBuilder said = new StringBuilder("\n\036");
        try {
            write(said, method.invoke(owner, given));
        } catch (java.lang.reflect.InvocationTargetException error) {
            throw error.getCause();
        }
        System.out.flush();
        out.write(said.append('\n').toString().getBytes(java.nio.charset.StandardCharsets.UTF_8));
    }

    private static java.lang.reflect.Method find(int count) throws ReflectiveOperationException {
        String packageName = DreamprmDriver.class.getPackageName();
        for (String name : new String[] {@CLASSES@}) {
            Class<?> owner = Class.forName(packageName.isEmpty() ? name : packageName + "." + name);
            for (java.lang.reflect.Method method : owner.getDeclaredMethods()) {
                if (method.getName().equals("@NAME@") && method.getParameterCount() == count && !method.isSynthetic()) {
                    method.setAccessible(true);
                    return method;
                }
            }
        }
        throw new NoSuchMethodException("@NAME@ with " + count + " parameters");
    }

    private Object value(java.lang.reflect.Type type) {
        if (type instanceof java.lang.reflect.GenericArrayType of) return array(of.getGenericComponentType());
        if (type instanceof java.lang.reflect.ParameterizedType of) return list((Class<?>) of.getRawType(), of.getActualTypeArguments()[0]);
        if (type instanceof java.lang.reflect.WildcardType of) return value(of.getUpperBounds()[0]);
        Class<?> kind = (Class<?>) type;
        if (kind.isArray()) return array(kind.getComponentType());
        if (kind == String.class || kind == CharSequence.class) return string();
        if (kind == char.class || kind == Character.class) {
            String found = string();
            if (found.length() != 1) throw new IllegalArgumentException("an argument is no single character");
            return found.charAt(0);
        }
        String word = word();
        if (kind == boolean.class || kind == Boolean.class) {
            if (!word.equals("true") && !word.equals("false")) throw new IllegalArgumentException("an argument is no boolean");
            return word.equals("true");
        }
        if (kind == int.class || kind == Integer.class) return Integer.valueOf(word);
        if (kind == long.class || kind == Long.class) return Long.valueOf(word);
        if (kind == double.class || kind == Double.class) return Double.valueOf(word);
        if (kind == float.class || kind == Float.class) return Float.valueOf(word);
        if (kind == short.class || kind == Short.class) return Short.valueOf(word);
        if (kind == byte.class || kind == Byte.class) return Byte.valueOf(word);
        if (kind == java.math.BigInteger.class) return new java.math.BigInteger(word);
        throw new IllegalArgumentException("an argument of type " + kind.getName() + " is not data");
    }

    private java.util.List<Object> list(Class<?> kind, java.lang.reflect.Type item) {
        if (!kind.isAssignableFrom(java.util.ArrayList.class)) {
            throw new IllegalArgumentException("an argument of type " + kind.getName() + " is not data");
        }
        java.util.List<Object> all = new java.util.ArrayList<>();
        take('[');
        if (peek() == ']') {
            at++;
            return all;
        }
        for (;;) {
            all.add(value(item));
            if (peek() != ',') break;
            at++;
        }
        take(']');
        return all;
    }

    private Object array(java.lang.reflect.Type item) {
        java.util.List<Object> all = list(java.util.List.class, item);
        Class<?> kind = item instanceof Class<?> plain ? plain : java.util.List.class;
        Object array = java.lang.reflect.Array.newInstance(kind, all.size());
        for (int i = 0; i < all.size(); i++) java.lang.reflect.Array.set(array, i, all.get(i));
        return array;
    }

    private char peek() {
        while (at < text.length() && text.charAt(at) <= ' ') at++;
        return at < text.length() ? text.charAt(at) : 0;
    }

    private void take(char letter) {
        if (peek() != letter) throw new IllegalArgumentException("an argument is not what its type says: no " + letter);
        at++;
    }

    private String word() {
        peek();
        int from = at;
        while (at < text.length() && ",] \t".indexOf(text.charAt(at)) < 0) at++;
        return text.substring(from, at);
    }

    private String string() {
        take('"');
        StringBuilder found = new StringBuilder();
        while (text.charAt(at) != '"') {
            char letter = text.charAt(at++);
            if (letter == '\\') {
                letter = text.charAt(at++);
                int place = "ntrbf".indexOf(letter);
                if (place >= 0) letter = "\n\t\r\b\f".charAt(place);
                if (letter == 'u') {
                    letter = (char) Integer.parseInt(text.substring(at, at + 4), 16);
                    at += 4;
                }
            }
            found.append(letter);
        }
        at++;
        return found.toString();
    }

    private static void write(StringBuilder out, Object value) {
        if (value instanceof Boolean || (value instanceof Number && Double.isFinite(((Number) value).doubleValue()))) {
            out.append(value);
        } else if (value == null || value instanceof Number) {
            out.append("null");
        } else if (value instanceof CharSequence || value instanceof Character) {
            out.append('"');
            value.toString().chars().forEach(letter -> {
                if (letter == '"' || letter == '\\') out.append('\\').append((char) letter);
                else if (letter < ' ' || Character.isSurrogate((char) letter)) out.append(String.format("\\u%04x", letter));
                else out.append((char) letter);
            });
            out.append('"');
        } else if (value instanceof Iterable<?> all) {
            String between = "";
            out.append('[');
            for (Object item : all) {
                out.append(between);
                write(out, item);
                between = ",";
            }
            out.append(']');
        } else if (value.getClass().isArray()) {
            java.util.List<Object> all = new java.util.ArrayList<>();
            for (int i = 0; i < java.lang.reflect.Array.getLength(value); i++) all.add(java.lang.reflect.Array.get(value, i));
            write(out, all);
        } else {
            throw new IllegalArgumentException("a result of type " + value.getClass().getName() + " is not data");
        }
    }
}
