#include "gitlib.h"

#include <dlfcn.h>
#include <git2.h>
#include <stdbool.h>
#include <stddef.h>

#include "gitspare.h"

static bool without_tls;

/* libgit2 finds this before Mbed TLS's own of the same name (x509_crt.h): programs come first in
 * the search order of ld.so(8). Where libgit2 was built with another TLS nobody calls it. */
int mbedtls_x509_crt_parse_file(void *chain, const char *path);

#define FILE_IO_ERROR (-0x2900)	/* MBEDTLS_ERR_X509_FILE_IO_ERROR, which libgit2 lives with */

int mbedtls_x509_crt_parse_file(void *chain, const char *path)
{
	union {
		void *object;
		int (*call)(void *, const char *);
	} real;

	if (without_tls)
		return FILE_IO_ERROR;
	real.object = dlsym(RTLD_NEXT, __func__);
	return real.object ? real.call(chain, path) : FILE_IO_ERROR;
}

int gitlib_init_tls(void)
{
	int r = gitspare_use();

	return r < 0 ? r : git_libgit2_init();
}

int gitlib_init(void)
{
	int r;

	without_tls = true;
	r = gitlib_init_tls();
	without_tls = false;
	return r;
}
