//! `osprofiler trace delete`.

use anyhow::bail;

use crate::args::DeleteArgs;
use crate::output;

pub(crate) fn delete(args: &DeleteArgs) -> anyhow::Result<()> {
    // Deleting must not make a store that was not there.
    drop(args.store.reader()?);
    let mut writer = args.store.writer()?;
    let mut missing = Vec::new();
    for id in &args.ids {
        if writer.delete(id)? {
            output::write(None, |out| writeln!(out, "deleted {id}"))?;
        } else {
            missing.push(format!("`{id}`"));
        }
    }
    if !missing.is_empty() {
        bail!("no trace {} in `{}`", missing.join(", "), args.store.connection()?);
    }
    Ok(())
}
