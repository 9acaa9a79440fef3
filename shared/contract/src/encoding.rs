//! The encodings of delimited text.

/// The encoding of delimited text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// One of the encodings that the web knows.
    Listed(&'static encoding_rs::Encoding),
    /// Code page 850, in which DOS and old accounting software write Western Europe's letters.
    Cp850,
}

impl Encoding {
    /// The encoding of this label, such as `utf-8`, `windows-1252` or `cp850`.
    pub fn of_label(label: &str) -> Option<Self> {
        if ["cp850", "ibm850"].contains(&label.trim().to_ascii_lowercase().as_str()) {
            return Some(Self::Cp850);
        }
        encoding_rs::Encoding::for_label_no_replacement(label.as_bytes()).map(Self::Listed)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Listed(encoding) => encoding.name(),
            Self::Cp850 => "cp850",
        }
    }

    /// The encoding among those that the web knows, if it is one.
    pub const fn listed(self) -> Option<&'static encoding_rs::Encoding> {
        match self {
            Self::Listed(encoding) => Some(encoding),
            Self::Cp850 => None,
        }
    }
}

impl From<&'static encoding_rs::Encoding> for Encoding {
    fn from(encoding: &'static encoding_rs::Encoding) -> Self {
        Self::Listed(encoding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_name_their_encoding_in_any_case() {
        for (label, name) in [("CP850", "cp850"), ("ibm850", "cp850"), ("latin1", "windows-1252"), ("UTF8", "UTF-8")] {
            assert_eq!(Encoding::of_label(label).map(Encoding::name), Some(name), "{label}");
        }
        assert_eq!((Encoding::of_label("cp-latin"), Encoding::of_label("")), (None, None));
    }
}
