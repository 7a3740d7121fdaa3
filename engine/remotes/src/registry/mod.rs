//! Registries: [`LayoutRegistry`] keeps images in OCI image layout directories, [`OciRegistry`] speaks to any registry
//! of the OCI distribution specification, [`EcrRegistry`] to Amazon ECR.
//!
//! What comes from a registry is checked against its digest before it is answered, and names are checked before they
//! become a path or an address. Which tag may name which image is not decided here: a tag is set by compare-and-set.

mod check;
pub mod ecr;
pub mod layout;
pub mod oci;

pub use ecr::{EcrConfig, EcrRegistry, EcrRole};
pub use layout::LayoutRegistry;
pub use oci::{Credentials, OciConfig, OciRegistry};
