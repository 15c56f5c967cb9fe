/* Starting libgit2 without its trust store, and so that it bears want of memory (gitspare.h).
 *
 * git_libgit2_init() also makes TLS ready: Debian's and Ubuntu's builds parse every certificate of
 * /etc/ssl/certs/ca-certificates.crt then (libgit2 src/libgit2/streams/mbedtls.c,
 * git_mbedtls_stream_global_init): 9 ms of CPU and 1 MiB that stays, in a program that reads a
 * settings file. Nothing of ours speaks TLS through libgit2, so the certificates are left out.
 *
 * A process that does want TLS from libgit2 calls gitlib_init_tls(), before all else. */
#pragma once

/* As git_libgit2_init: counted, each success to be paired with git_libgit2_shutdown() or left to
 * the end of the process. Not from two threads at once the first time. */
int gitlib_init(void);
int gitlib_init_tls(void);
