/* A checksum on every page of the catalogue, below SQLite.
 *
 * SQLite does not notice a flipped bit in what it reads: in a value it gives another value, in a
 * page's own structure rows are simply not there. So its file goes through a VFS of ours that
 * puts a sum into the last 8 bytes of a page (which SQLite leaves to us: reserved bytes) when it
 * is written, and checks it when it is read: SQLITE_CORRUPT, and the log makes a new catalogue.
 * What is in the WAL has SQLite's own checksums, and comes here with the next checkpoint.
 *
 * Everything else is the system's VFS. */
#include <string.h>

#include "internal.h"

#define NAME "holdfast"
#define PAGE 4096
#define SUM 8

struct file {
	sqlite3_file base;
	bool summed;		/* it is a database's main file */
	sqlite3_file real[];	/* the system's, behind ours */
};

static sqlite3_file *real_of(sqlite3_file *f)
{
	return ((struct file *)f)->real;
}

#define METHOD(f, m) (real_of(f)->pMethods->m)

/* Of the page at off: one that is somewhere else is as wrong as a flipped bit. */
static uint64_t page_sum(const uint8_t *p, sqlite3_int64 off)
{
	uint64_t a = 0x9e3779b97f4a7c15 ^ (uint64_t)off, b = 0, w;

	for (size_t i = 0; i < PAGE - SUM; i += sizeof(w)) {
		memcpy(&w, p + i, sizeof(w));
		a += w;
		b += a;
	}
	return a ^ (b << 32 | b >> 32);
}

static bool is_page(const sqlite3_file *f, int n, sqlite3_int64 off)
{
	return ((const struct file *)f)->summed && n == PAGE && off % PAGE == 0;
}

/* A sector that the disk cannot read. */
static bool unreadable(int rc)
{
	return rc == SQLITE_IOERR_READ || rc == SQLITE_IOERR_CORRUPTFS;
}

/* It is damage like another: the log makes a new file, in other sectors. */
static int on_read(sqlite3_file *f, void *p, int n, sqlite3_int64 off)
{
	uint64_t sum;
	int rc = METHOD(f, xRead)(real_of(f), p, n, off);

	if (unreadable(rc))	/* a disk may err once */
		rc = METHOD(f, xRead)(real_of(f), p, n, off);
	if (unreadable(rc))
		return SQLITE_CORRUPT;
	if (rc != SQLITE_OK || !is_page(f, n, off))
		return rc;
	memcpy(&sum, (const uint8_t *)p + PAGE - SUM, SUM);
	return sum == page_sum(p, off) ? SQLITE_OK : SQLITE_CORRUPT;
}

static int on_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 off)
{
	uint8_t page[PAGE];
	uint64_t sum;

	if (is_page(f, n, off)) {
		memcpy(page, p, PAGE - SUM);
		sum = page_sum(page, off);
		memcpy(page + PAGE - SUM, &sum, SUM);
		p = page;
	}
	return METHOD(f, xWrite)(real_of(f), p, n, off);
}

/* ---- the rest goes through ---- */

static int on_close(sqlite3_file *f)
{
	return METHOD(f, xClose)(real_of(f));
}

static int on_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	return METHOD(f, xTruncate)(real_of(f), size);
}

static int on_sync(sqlite3_file *f, int flags)
{
	return METHOD(f, xSync)(real_of(f), flags);
}

static int on_size(sqlite3_file *f, sqlite3_int64 *ret)
{
	return METHOD(f, xFileSize)(real_of(f), ret);
}

static int on_lock(sqlite3_file *f, int level)
{
	return METHOD(f, xLock)(real_of(f), level);
}

static int on_unlock(sqlite3_file *f, int level)
{
	return METHOD(f, xUnlock)(real_of(f), level);
}

static int on_reserved(sqlite3_file *f, int *ret)
{
	return METHOD(f, xCheckReservedLock)(real_of(f), ret);
}

static int on_control(sqlite3_file *f, int op, void *arg)
{
	return METHOD(f, xFileControl)(real_of(f), op, arg);
}

static int on_sector(sqlite3_file *f)
{
	return METHOD(f, xSectorSize)(real_of(f));
}

static int on_device(sqlite3_file *f)
{
	return METHOD(f, xDeviceCharacteristics)(real_of(f));
}

static int on_shm_map(sqlite3_file *f, int no, int size, int extend, void volatile **ret)
{
	return METHOD(f, xShmMap)(real_of(f), no, size, extend, ret);
}

static int on_shm_lock(sqlite3_file *f, int first, int n, int flags)
{
	return METHOD(f, xShmLock)(real_of(f), first, n, flags);
}

static void on_shm_barrier(sqlite3_file *f)
{
	METHOD(f, xShmBarrier)(real_of(f));
}

static int on_shm_unmap(sqlite3_file *f, int remove)
{
	return METHOD(f, xShmUnmap)(real_of(f), remove);
}

/* Version 2: no memory map, which would go round on_read. */
static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = on_close,
	.xRead = on_read,
	.xWrite = on_write,
	.xTruncate = on_truncate,
	.xSync = on_sync,
	.xFileSize = on_size,
	.xLock = on_lock,
	.xUnlock = on_unlock,
	.xCheckReservedLock = on_reserved,
	.xFileControl = on_control,
	.xSectorSize = on_sector,
	.xDeviceCharacteristics = on_device,
	.xShmMap = on_shm_map,
	.xShmLock = on_shm_lock,
	.xShmBarrier = on_shm_barrier,
	.xShmUnmap = on_shm_unmap,
};

static int on_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
	sqlite3_vfs *sys = vfs->pAppData;
	struct file *x = (struct file *)f;
	int rc;

	memset(x, 0, sizeof(*x));
	rc = sys->xOpen(sys, name, x->real, flags, ret_flags);
	if (!x->real->pMethods)
		return rc;
	/* What cannot share memory has no WAL, here as there. */
	if (rc == SQLITE_OK && x->real->pMethods->iVersion < 2)
		rc = SQLITE_CANTOPEN;
	x->summed = flags & SQLITE_OPEN_MAIN_DB;
	x->base.pMethods = &methods;
	return rc;
}

int pagesum_init(const char **ret_vfs)
{
	static sqlite3_vfs vfs;
	sqlite3_vfs *sys = sqlite3_vfs_find(NULL);

	*ret_vfs = NAME;
	if (vfs.zName)
		return 0;
	if (!sys)
		return -ENOTSUP;
	vfs = *sys;		/* all but opening: names, time, randomness */
	vfs.pNext = NULL;
	vfs.zName = NAME;
	vfs.pAppData = sys;
	vfs.szOsFile = (int)sizeof(struct file) + sys->szOsFile;
	vfs.xOpen = on_open;
	return err_from_sqlite(sqlite3_vfs_register(&vfs, 0));
}

int pagesum_new(sqlite3 *db)
{
	int n = SUM;

	return err_from_sqlite(sqlite3_file_control(db, "main", SQLITE_FCNTL_RESERVE_BYTES, &n));
}
