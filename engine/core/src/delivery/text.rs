/// The longest beginning of the text that has at most `max` bytes and ends between two characters.
pub fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_inside_a_character() {
        assert_eq!(cut("häuser", 2), "h");
        assert_eq!(cut("häuser", 3), "hä");
        assert_eq!(cut("a", 9), "a");
        assert_eq!(cut("", 0), "");
    }
}
