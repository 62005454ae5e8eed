#include <charconv>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

// Reads the arguments of a function, one JSON value a line, as the types that it declares; prints its result as JSON.
namespace dreamprm_driver {

using Text = std::string;

[[noreturn]] inline void fail(const char* what) { throw std::invalid_argument(what); }

template <class T> constexpr bool is_text = std::is_same_v<T, Text>;
template <class T> constexpr bool is_list = !is_text<T> && requires(T all) { all.push_back(*all.begin()); };
template <class T> constexpr bool is_range = !std::is_convertible_v<T, Text> && requires(const T& all) { all.begin() != all.end(); };
template <class T> constexpr bool is_unknown = false;

class Reader {
    Text given_;
    const char *at_, *end_;

    void skip() { while (at_ < end_ && static_cast<unsigned char>(*at_) <= ' ') ++at_; }

    bool take(char letter) {
        skip();
        if (at_ == end_ || *at_ != letter) return false;
        ++at_;
        return true;
    }

    bool word(const char* spelled, std::size_t length) {
        if (Text(at_, end_).compare(0, length, spelled)) return false;
        at_ += length;
        return true;
    }

    unsigned unit() {
        unsigned code = 0;
        if (end_ - at_ < 4 || std::from_chars(at_, at_ + 4, code, 16).ptr != at_ + 4) fail("a string with a broken escape");
        at_ += 4;
        return code;
    }

    Text text() {
        if (!take('"')) fail("an argument is no string");
        Text found;
        while (at_ < end_ && *at_ != '"') {
            if (*at_ != '\\') { found += *at_++; continue; }
            if (++at_ == end_) break;
            const char kind = *at_++;
            unsigned code = kind;
            if (kind == 'n') code = '\n';
            else if (kind == 't') code = '\t';
            else if (kind == 'r') code = '\r';
            else if (kind == 'b') code = '\b';
            else if (kind == 'f') code = '\f';
            else if (kind == 'u') {
                code = unit();
                if (code >= 0xD800 && code < 0xDC00 && end_ - at_ > 6 && at_[0] == '\\' && at_[1] == 'u') {
                    at_ += 2;
                    code = 0x10000 + ((code - 0xD800) << 10) + (unit() - 0xDC00);
                }
            }
            if (code < 0x80) found += static_cast<char>(code);
            else {
                const char parts[] = {static_cast<char>(0x80 | ((code >> 12) & 63)), static_cast<char>(0x80 | ((code >> 6) & 63)),
                                      static_cast<char>(0x80 | (code & 63))};
                if (code < 0x800) (found += static_cast<char>(0xC0 | (code >> 6))).append(parts + 2, 1);
                else if (code < 0x10000) (found += static_cast<char>(0xE0 | (code >> 12))).append(parts + 1, 2);
                else (found += static_cast<char>(0xF0 | (code >> 18))).append(parts, 3);
            }
        }
        if (!take('"')) fail("a string without an end");
        return found;
    }

    template <class T> T value() {
        skip();
        if constexpr (is_text<T>) return text();
        else if constexpr (std::is_same_v<T, char>) {
            const Text found = text();
            if (found.size() != 1) fail("an argument is no single character");
            return found[0];
        } else if constexpr (std::is_same_v<T, bool>) {
            if (word("true", 4)) return true;
            if (word("false", 5)) return false;
            fail("an argument is no boolean");
        } else if constexpr (std::is_arithmetic_v<T>) {
            T number{};
            const auto [rest, error] = std::from_chars(at_, end_, number);
            if (error != std::errc() || (rest < end_ && Text(".eE").find(*rest) != Text::npos)) fail("an argument does not fit its number type");
            at_ = rest;
            return number;
        } else if constexpr (is_list<T>) {
            T all;
            if (!take('[')) fail("an argument is no list");
            if (take(']')) return all;
            do all.push_back(value<typename T::value_type>()); while (take(','));
            if (!take(']')) fail("a list without an end");
            return all;
        } else static_assert(is_unknown<T>, "the driver knows numbers, strings, booleans and lists of them as arguments");
    }

public:
    Reader() {
        char part[1 << 16];
        for (std::size_t size; (size = std::fread(part, 1, sizeof part, stdin));) given_.append(part, size);
        at_ = given_.data();
        end_ = at_ + given_.size();
    }

    template <class T> T argument() {
        skip();
        if (at_ == end_) fail("the function takes more arguments than the tests give");
        return value<T>();
    }

    void end() {
        skip();
        if (at_ != end_) fail("the function takes fewer arguments than the tests give");
    }
};

inline void write_text(Text& out, const Text& text) {
    out += '"';
    for (const char letter : text) {
        if (letter == '"' || letter == '\\') (out += '\\') += letter;
        else if (static_cast<unsigned char>(letter) < ' ') {
            char escape[8];
            std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(letter));
            out += escape;
        } else out += letter;
    }
    out += '"';
}

template <class T> void write(Text& out, const T& value) {
    if constexpr (std::is_same_v<T, bool>) out += value ? "true" : "false";
    else if constexpr (std::is_same_v<T, char>) write_text(out, Text(1, value));
    else if constexpr (std::is_arithmetic_v<T>) {
        char digits[512];
        const char* const end = std::to_chars(digits, digits + sizeof digits, value).ptr;
        const bool is_finite = (end[-1] >= '0' && end[-1] <= '9');
        out += is_finite ? Text(digits, static_cast<std::size_t>(end - digits)) : Text("null");
    } else if constexpr (std::is_convertible_v<T, Text>) write_text(out, value);
    else if constexpr (is_range<T>) {
        const char* between = "[";
        for (const auto& item : value) {
            out += between;
            write<std::decay_t<typename T::value_type>>(out, item);
            between = ",";
        }
        out += *between == '[' ? "[]" : "]";
    } else static_assert(is_unknown<T>, "the driver knows numbers, strings, booleans and lists of them as results");
}

template <class R, class... A, class F> void run(F&& function) {
    Reader reader;
    std::tuple<std::decay_t<A>...> given{reader.argument<std::decay_t<A>>()...};
    reader.end();
    Text out = "\n\x1e";
    write<std::decay_t<R>>(out, std::apply([&](auto&... each) -> R { return function(static_cast<A&&>(each)...); }, given));
    out += '\n';
    std::fwrite(out.data(), 1, out.size(), stdout);
    std::fflush(stdout);
}

template <class R, class... A> void call(R (*function)(A...)) { run<R, A...>(function); }

template <class C, class R, class... A> void call(R (C::*method)(A...)) {
    C made{};
    run<R, A...>([&](A... each) -> R { return (made.*method)(static_cast<A&&>(each)...); });
}

template <class C, class R, class... A> void call(R (C::*method)(A...) const) {
    const C made{};
    run<R, A...>([&](A... each) -> R { return (made.*method)(static_cast<A&&>(each)...); });
}

}  // namespace dreamprm_driver
#line 1 "main.cpp"
@PROGRAM@
#line 1 "driver.cpp"
#undef int
int main() { dreamprm_driver::call(&::@TARGET@); }
