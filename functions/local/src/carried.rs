//! The datasets that the program carries: those of the repository that it was built from, without their scenarios.

/// Each file: the dataset's name, the path below the dataset's folder, the text.
const FILES: &[(&str, &str, &str)] = &include!(concat!(env!("OUT_DIR"), "/carried.rs"));

/// The datasets' names, sorted.
pub(crate) fn names() -> Vec<String> {
    let mut names: Vec<String> = FILES.iter().map(|(dataset, _, _)| (*dataset).to_owned()).collect();
    names.sort();
    names.dedup();
    names
}

/// The files of a dataset: path below its folder, and text.
pub(crate) fn files(dataset: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    FILES.iter().filter(move |(name, _, _)| *name == dataset).map(|(_, path, text)| (*path, *text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_carried_is_the_repositorys_folder() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets");
        let folders = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut folders: Vec<String> = folders.collect();
        folders.sort();
        assert_eq!(names(), folders);
        for name in folders {
            let mut expected = fonderie_test_support::dataset_files(&name);
            let generate = std::fs::read_to_string(root.join(&name).join("generate.toml"));
            expected.extend(generate.ok().map(|text| ("generate.toml".to_owned(), text)));
            for sample in std::fs::read_dir(root.join(&name).join("samples")).into_iter().flatten() {
                let sample = sample.unwrap();
                let path = format!("samples/{}", sample.file_name().into_string().unwrap());
                expected.push((path, std::fs::read_to_string(sample.path()).unwrap()));
            }
            expected.sort();
            let mut carried: Vec<_> = files(&name).map(|(path, text)| (path.to_owned(), text.to_owned())).collect();
            carried.sort();
            assert_eq!(carried, expected, "{name}");
        }
    }
}
