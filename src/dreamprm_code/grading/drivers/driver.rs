@PROGRAM@
/// Reads the arguments of a function, one JSON value a line, as the types that it declares; prints its result as JSON.
mod dreamprm_driver {
    use std::io::{Read, Write};

    pub struct Reader {
        given: Vec<u8>,
        at: usize,
    }

    impl Reader {
        pub fn new() -> Self {
            let mut given = Vec::new();
            std::io::stdin().read_to_end(&mut given).unwrap();
            Reader { given, at: 0 }
        }

        pub fn argument<T: Given>(&mut self) -> T {
            T::read(self)
        }

        pub fn end(&mut self) {
            assert!(self.peek() == 0, "the function takes fewer arguments than the tests give");
        }

        fn peek(&mut self) -> u8 {
            while self.at < self.given.len() && self.given[self.at] <= b' ' {
                self.at += 1;
            }
            *self.given.get(self.at).unwrap_or(&0)
        }

        fn take(&mut self, letter: u8) {
            assert!(self.peek() == letter, "an argument is not what its type says: no {}", letter as char);
            self.at += 1;
        }

        fn word(&mut self) -> &str {
            self.peek();
            let from = self.at;
            while self.at < self.given.len() && !b",] \t\r\n".contains(&self.given[self.at]) {
                self.at += 1;
            }
            std::str::from_utf8(&self.given[from..self.at]).unwrap()
        }

        fn unit(&mut self) -> u32 {
            self.at += 4;
            u32::from_str_radix(std::str::from_utf8(&self.given[self.at - 4..self.at]).unwrap(), 16).unwrap()
        }

        fn text(&mut self) -> String {
            self.take(b'"');
            let mut found: Vec<u8> = Vec::new();
            while self.given[self.at] != b'"' {
                let mut letter = self.given[self.at];
                self.at += 1;
                if letter == b'\\' {
                    letter = self.given[self.at];
                    self.at += 1;
                    letter = match letter {
                        b'n' => b'\n',
                        b't' => b'\t',
                        b'r' => b'\r',
                        b'b' => 8,
                        b'f' => 12,
                        b'u' => {
                            let mut code = self.unit();
                            if (0xD800..0xDC00).contains(&code) {
                                self.at += 2;
                                code = 0x10000 + ((code - 0xD800) << 10) + (self.unit() - 0xDC00);
                            }
                            found.extend(char::from_u32(code).unwrap().to_string().bytes());
                            continue;
                        }
                        other => other,
                    };
                }
                found.push(letter);
            }
            self.at += 1;
            String::from_utf8(found).unwrap()
        }
    }

    pub trait Given {
        fn read(reader: &mut Reader) -> Self;
    }

    pub trait Result {
        fn write(&self, out: &mut String);
    }

    macro_rules! integers {
        ($($kind:ty)*) => {$(
            impl Given for $kind {
                fn read(reader: &mut Reader) -> Self {
                    let word = reader.word();
                    word.parse().unwrap_or_else(|_| panic!("the argument {:?} is no {}", word, stringify!($kind)))
                }
            }
            impl Result for $kind {
                fn write(&self, out: &mut String) {
                    out.push_str(&self.to_string());
                }
            }
        )*};
    }
    integers!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize);

    macro_rules! numbers {
        ($($kind:ty)*) => {$(
            impl Given for $kind {
                fn read(reader: &mut Reader) -> Self {
                    reader.word().parse().expect("an argument is no number")
                }
            }
            impl Result for $kind {
                fn write(&self, out: &mut String) {
                    let said = if self.is_finite() { format!("{:?}", self) } else { "null".to_string() };
                    out.push_str(&said);
                }
            }
        )*};
    }
    numbers!(f32 f64);

    impl Given for bool {
        fn read(reader: &mut Reader) -> Self {
            reader.word().parse().expect("an argument is no boolean")
        }
    }

    impl Given for String {
        fn read(reader: &mut Reader) -> Self {
            reader.text()
        }
    }

    impl Given for char {
        fn read(reader: &mut Reader) -> Self {
            let text = reader.text();
            assert!(text.chars().count() == 1, "an argument is no single character");
            text.chars().next().unwrap()
        }
    }

    impl<T: Given> Given for Vec<T> {
        fn read(reader: &mut Reader) -> Self {
            let mut all = Vec::new();
            reader.take(b'[');
            if reader.peek() != b']' {
                all.push(T::read(reader));
                while reader.peek() == b',' {
                    reader.at += 1;
                    all.push(T::read(reader));
                }
            }
            reader.take(b']');
            all
        }
    }

    impl Given for &'static str {
        fn read(reader: &mut Reader) -> Self {
            Box::leak(reader.text().into_boxed_str())
        }
    }

    impl<T: Given> Given for &'static [T] {
        fn read(reader: &mut Reader) -> Self {
            Vec::leak(Vec::read(reader))
        }
    }

    impl<T: Given> Given for &'static mut [T] {
        fn read(reader: &mut Reader) -> Self {
            Vec::leak(Vec::read(reader))
        }
    }

    impl<T: Given> Given for &'static Vec<T> {
        fn read(reader: &mut Reader) -> Self {
            Box::leak(Box::new(Vec::read(reader)))
        }
    }

    impl<T: Given> Given for &'static mut Vec<T> {
        fn read(reader: &mut Reader) -> Self {
            Box::leak(Box::new(Vec::read(reader)))
        }
    }

    impl Given for &'static String {
        fn read(reader: &mut Reader) -> Self {
            Box::leak(Box::new(reader.text()))
        }
    }

    impl Result for bool {
        fn write(&self, out: &mut String) {
            out.push_str(if *self { "true" } else { "false" });
        }
    }

    impl Result for str {
        fn write(&self, out: &mut String) {
            out.push('"');
            for letter in self.chars() {
                match letter {
                    '"' | '\\' => out.extend(['\\', letter]),
                    letter if letter < ' ' => out.push_str(&format!("\\u{:04x}", letter as u32)),
                    letter => out.push(letter),
                }
            }
            out.push('"');
        }
    }

    impl Result for String {
        fn write(&self, out: &mut String) {
            self.as_str().write(out);
        }
    }

    impl Result for char {
        fn write(&self, out: &mut String) {
            self.to_string().write(out);
        }
    }

    impl<T: Result + ?Sized> Result for &T {
        fn write(&self, out: &mut String) {
            (**self).write(out);
        }
    }

    impl<T: Result> Result for [T] {
        fn write(&self, out: &mut String) {
            out.push('[');
            for (i, item) in self.iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                item.write(out);
            }
            out.push(']');
        }
    }

    impl<T: Result> Result for Vec<T> {
        fn write(&self, out: &mut String) {
            self.as_slice().write(out);
        }
    }

    impl<T: Result, const N: usize> Result for [T; N] {
        fn write(&self, out: &mut String) {
            self.as_slice().write(out);
        }
    }

    pub fn give<T: Result>(result: T) {
        let mut out = String::from("\n\u{1e}");
        result.write(&mut out);
        let mut stdout = std::io::stdout();
        writeln!(stdout, "{}", out).unwrap();
        stdout.flush().unwrap();
    }
}

fn main() {
    let mut given = dreamprm_driver::Reader::new();
    let result = @TARGET@(@ARGUMENTS@);
    given.end();
    dreamprm_driver::give(result);
}
