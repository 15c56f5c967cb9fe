# README as it is installed: what it links to lies beside it, is a manual, or is in the sources only.
s,\[\([a-z.-]*([1-8])\)\](docs/[a-z0-9.]*),\1,g
s,\[config/holdfast\.conf\](config/holdfast\.conf),[holdfast.conf](holdfast.conf),g
s,](docs/format\.md),](format.md),g
s,\[HACKING\.md\](HACKING\.md),HACKING.md (in the sources),g
s,\[docs/\](docs/):,Here:,g
