"""GBSpec -> Bicrystal: commensurate planes, slabs, joining, lithium, the gate, files."""
