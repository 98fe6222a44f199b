#include "pages.h"

#include <string.h>
#include <sys/mman.h>

void *pages_take(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return NULL;
	madvise(at, size, MADV_DONTDUMP);
	madvise(at, size, MADV_HUGEPAGE);
	explicit_bzero(at, size);
	return at;
}

void pages_free(void *at, size_t size)
{
	if (!at)
		return;
	explicit_bzero(at, size);
	munmap(at, size);
}
