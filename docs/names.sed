# For make install NAME_PREFIX=hf-: what a document tells the reader to type gets the prefix (the word PREFIX below
# is replaced by it first). Settings (detect.sample, recover.pager), the parts below libexec and the verbs stay.
# Manuals: macros that name a command, an example's first words and what stands behind a pipe.
s/^\.\(Nm\|Xr\|Dl\|Ql\|Li\) \(snapd\|recover\|detect\)\([ ,]\|$\)/.\1 PREFIX\2\3/
s/^\(\..* Xr \)\(snapd\|recover\|detect\) 1/\1PREFIX\2 1/
s/^\(\.Dt \)\(SNAPD\|RECOVER\|DETECT\) /\1\U\PREFIX\2 /
# README: code lines, `code` and manuals; the line that tells of Canonical's snapd is of that one.
/NAME_PREFIX\|another program named/!{
s/^\(    \)\(snapd\|recover\|detect\)\( \|$\)/\1PREFIX\2\3/
s/^\(    .*[;:] \)\(snapd\|recover\|detect\)\( \|$\)/\1PREFIX\2\3/
s/(recover diff)/(PREFIXrecover diff)/
s/\[\(snapd\|recover\|detect\)(1)\]/[PREFIX\1(1)]/g
s/`\(snapd\|recover\|detect\)\([ `]\)/`PREFIX\1\2/g
}
# holdfast.conf: its comments.
/^\t\?# /{
s/\(^\|[ (]\)snapd\([ .,;:]\|$\)/\1PREFIXsnapd\2/g
}
