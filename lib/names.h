/* lib/names.h - what the user types to start our programs, for messages and help.
 *
 * `make NAME_PREFIX=hf-` builds for an installation where they are hf-snapd, hf-recover and
 * hf-detect (Canonical's package owns the name snapd): whatever names a command to type must
 * name the one that is there. So no message holds a plain name; write it as "%s: gone; " RECOVER
 * " list shows them". The parts below libexec (snapd-core, detect-core, detect-watch), sockets,
 * settings and folders keep their names. */
#ifndef LIB_NAMES_H
#define LIB_NAMES_H

#ifndef NAME_PREFIX
#define NAME_PREFIX ""
#endif

#define SNAPD	NAME_PREFIX "snapd"
#define RECOVER NAME_PREFIX "recover"
#define DETECT	NAME_PREFIX "detect"

#endif
