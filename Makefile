# Holdfast. `make help` lists the targets; config.mk (not in git) may override
# any variable. Rooms and tests are found by wildcard: a new file needs no line here.

-include config.mk

PREFIX	?= /usr/local
# Canonical has a daemon named snapd (/usr/lib/snapd/snapd); NAME_PREFIX=hf- gives hf-snapd, hf-recover, hf-detect.
# The messages and manuals say those names, so these objects are others.
NAME_PREFIX ?=
BUILD	?= build$(addprefix -,$(patsubst %-,%,$(NAME_PREFIX)))
CC	?= cc
AR	?= ar
OPT	?= -O2 -g
FUZZ_SECONDS ?= 10

# Of the whole: what --version says and the package is called. The commit is added where this is a git clone.
VERSION	= 1.0
COMMIT	:= $(shell [ -e .git ] && git describe --always --dirty --abbrev=12 --exclude '*' 2>/dev/null)

# Lower rooms first; a room may use only what stands before it (DESIGN.md, Rooms).
ROOMS	 = lib config store scan editors detect hooks snapd recover
PROG_ROOMS = snapd recover detect
PROGRAMS = $(foreach p,$(PROG_ROOMS),$(if $(wildcard $p/$p.c),$p))
BELOW_snapd   = hooks detect editors scan store config lib
BELOW_recover = detect editors scan store config lib
BELOW_detect  = config lib

WARN	= -Wall -Wextra -Wshadow -Wvla -Wformat=2 -Wmissing-prototypes -Wstrict-prototypes \
	  -Wpointer-arith -Wwrite-strings -Wundef -fno-common
HARDEN	= -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
LINK	= -pie -Wl,-z,relro,-z,now -Wl,--as-needed
# SAN=address,undefined: the fortified calls would hide what the sanitizers look for.
ifneq ($(SAN),)
HARDEN	= -fPIE -fsanitize=$(SAN) -fno-sanitize-recover=undefined -fno-omit-frame-pointer
LINK	= -pie -fsanitize=$(SAN)
endif
ifeq ($(COVER),1)
OPT	= -O0 -g --coverage
HARDEN	= -fPIE
endif
ifeq ($(DEV),1)
WARN	+= -Werror
endif
ifneq ($(V),1)
Q	= @
say	= @printf '  %-5s %s\n'
else
say	= @:
endif

# deps.sh installs what is missing, then writes the flags of pkg-config into
# these files. Make reads them, or makes them first and starts again: nothing
# here needs pkg-config to exist before that.
NODEPS	= help clean format tags deps asan tsan analyze fuzz cover
ifneq ($(filter-out $(NODEPS),$(or $(MAKECMDGOALS),all)),)
include $(BUILD)/deps-build.mk
endif
ifneq ($(filter test tests test-% fuzz-run $(BUILD)/tests/%,$(MAKECMDGOALS)),)
include $(BUILD)/deps-test.mk
endif
$(BUILD)/deps-%.mk: config/deps.sh
	@mkdir -p $(@D)
	@CC='$(CC)' sh config/deps.sh $* $@

NAMED	 = $(if $(NAME_PREFIX),'-DNAME_PREFIX="$(NAME_PREFIX)"')
ALL_CFLAGS = -std=c17 -D_GNU_SOURCE $(NAMED) -iquote . $(WARN) $(OPT) $(HARDEN) $(PKG_CFLAGS) $(CPPFLAGS) $(CFLAGS)
LIBS	= $(PKG_LIBS) -lm -ldl -lpthread

room-src = $(filter-out %/core.c detect/watch_main.c detect/gpu_main.c detect/top_main.c recover/screen_main.c recover/mirror_main.c recover/check_main.c $(foreach p,$(PROG_ROOMS),$p/$p.c),$(wildcard $1/*.c))
obj	 = $(patsubst %.c,$(BUILD)/obj/%.o,$1)
ar-of	 = $(patsubst %,$(BUILD)/%.a,$1)

ARCHIVES = $(call ar-of,$(ROOMS))
# What a unit test links: every room, the highest first.
TEST_AR	 = $(call ar-of,recover snapd hooks detect editors scan store config lib)
TEST_SRC = $(wildcard tests/test_*.c)
TOOL_SRC = $(wildcard tests/tool_*.c bench/*.c)
PRELOAD_SRC = $(wildcard tests/preload_*.c)
SHARED_SRC  = $(filter-out $(TEST_SRC) $(TOOL_SRC) $(PRELOAD_SRC),$(wildcard tests/*.c))
FUZZ_SRC = $(wildcard tests/fuzz/fuzz_*.c)
UNITS	 = $(patsubst %.c,$(BUILD)/%,$(TEST_SRC))
TOOLS	 = $(patsubst %.c,$(BUILD)/%,$(TOOL_SRC))
PRELOADS = $(patsubst %.c,$(BUILD)/%.so,$(PRELOAD_SRC))
# Programs that no user starts by hand, where their main() is there.
PARTS	 = $(if $(wildcard snapd/core.c),snapd-core) $(if $(wildcard detect/core.c),detect-core) \
	   $(if $(wildcard detect/watch_main.c),detect-watch detect-gpu) \
	   $(if $(wildcard detect/top_main.c),detect-top) \
	   $(if $(wildcard recover/screen_main.c),recover-screen) recover-mirror recover-check recover-tidy
BINS	 = $(patsubst %,$(BUILD)/%,$(PROGRAMS) $(PARTS))
SOURCES	 = $(foreach r,$(ROOMS) tests bench,$(wildcard $r/*.c)) $(FUZZ_SRC)

.PHONY: all run deps test tests test-real test-ci asan tsan analyze fuzz fuzz-run cover format tags \
	install install-files uninstall deb clean help FORCE
.DELETE_ON_ERROR:
.SECONDARY:

all: $(BINS) $(ARCHIVES)

# Objects are made again when the command line that makes them changes.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(CC) $(ALL_CFLAGS) $(LINK) $(LIBS))' | cmp -s - $@ || \
		echo '$(subst ','\'',$(CC) $(ALL_CFLAGS) $(LINK) $(LIBS))' >$@

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(ALL_CFLAGS) $(if $(filter tests/%,$<),$(CHECK_CFLAGS)) -MMD -MP -c -o $@ $<

# A room is its files, but of a program not those with main(): ROOM.c, core.c, *_main.c.
define ROOM
$(BUILD)/$1.a: $(call obj,$(call room-src,$1)) $(BUILD)/$1.list
	@mkdir -p $$(@D)
	$$(say) AR $$@
	$$(Q)rm -f $$@ && $(AR) rcs $$@ $$(filter %.o,$$^)
endef
$(foreach r,$(ROOMS),$(eval $(call ROOM,$r)))

# Linked into programs only: a new commit relinks those, and no test.
$(BUILD)/commit.c: FORCE
	@mkdir -p $(@D)
	@printf '#include "lib/version.h"\nconst char version[] = "%s";\nconst char version_commit[] = "%s";\n' \
		'$(VERSION)' '$(COMMIT)' >$@.new && if cmp -s $@.new $@; then rm -f $@.new; else mv $@.new $@; fi
$(BUILD)/obj/commit.o: $(BUILD)/commit.c $(BUILD)/flags lib/version.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# The file list of a room: a source that went away must leave the archive too.
$(BUILD)/%.list: FORCE
	@mkdir -p $(@D)
	@echo '$(call room-src,$*)' | cmp -s - $@ || echo '$(call room-src,$*)' >$@

# detect is asked before each launch, and links no library but libc: where the compiler can (deps.sh), statically.
ifeq ($(SAN)$(filter 1,$(COVER)),)
STATIC_detect = $(PKG_STATIC)
endif

define PROGRAM
$(BUILD)/$1: $(BUILD)/obj/$1/$1.o $(BUILD)/obj/commit.o $(call ar-of,$1 $(BELOW_$1)) $(if $(STATIC_$1),$(BUILD)/deps-build.mk)
	$$(say) LINK $$@
	$$(Q)$(CC) $(ALL_CFLAGS) $(if $(STATIC_$1),$(patsubst -pie,$(STATIC_$1),$(LINK)),$(LINK)) -o $$@.new $$(filter %.o,$$^) \
		-Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $(if $(STATIC_$1),,$(LIBS))
	@mv -f $$@.new $$@
endef
$(foreach p,$(PROGRAMS),$(eval $(call PROGRAM,$p)))

# What the user starts is small and loads no library; it becomes ROOM-core when there is more to do than to ask.
# The monitor is small for another reason: its memory is locked.
define PART
$(BUILD)/$1: $(BUILD)/obj/$3.o $(BUILD)/obj/commit.o $(call ar-of,$2 $(BELOW_$2))
	$$(say) LINK $$@
	$$(Q)$(CC) $(ALL_CFLAGS) $(LINK) -o $$@.new $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $(LIBS)
	@mv -f $$@.new $$@
endef
$(eval $(call PART,snapd-core,snapd,snapd/core))
$(eval $(call PART,detect-core,detect,detect/core))
$(eval $(call PART,detect-watch,detect,detect/watch_main))
$(eval $(call PART,recover-screen,recover,recover/screen_main))
$(eval $(call PART,recover-mirror,recover,recover/mirror_main))
$(eval $(call PART,recover-check,recover,recover/check_main))
$(eval $(call PART,recover-tidy,recover,recover/tidy_main))
$(eval $(call PART,detect-gpu,detect,detect/gpu_main))
$(eval $(call PART,detect-top,detect,detect/top_main))

# What the monitor watches in tests ends as any program does, not as a sanitizer's.
$(BUILD)/tests/tool_end: tests/tool_end.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(say) LINK $@
	$(Q)$(CC) -std=c17 -D_GNU_SOURCE $(WARN) -g -O1 -o $@ $<

$(UNITS) $(filter-out %/tool_end,$(TOOLS)): $(BUILD)/%: $(BUILD)/obj/%.o $(call obj,$(SHARED_SRC)) $(TEST_AR)
	@mkdir -p $(@D)
	$(say) LINK $@
	$(Q)$(CC) $(ALL_CFLAGS) $(LINK) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(CHECK_LIBS) $(LIBS)

$(PRELOADS): $(BUILD)/%.so: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(say) LINK $@
	$(Q)$(CC) -std=c17 -D_GNU_SOURCE -iquote . $(WARN) -g -O1 -fPIC -shared -MMD -MP -MF $(@:.so=.d) -o $@ $< -ldl

-include $(patsubst %.c,$(BUILD)/obj/%.d,$(SOURCES)) $(PRELOADS:.so=.d)

run: override export WORKSPACE := $(value WORKSPACE)
run: all
	@case "$$WORKSPACE" in '') echo 'usage: make run WORKSPACE=DIR' >&2; exit 2;; \
		'~') WORKSPACE=$$HOME;; '~/'*) WORKSPACE=$$HOME/$${WORKSPACE#??};; esac; \
	echo "what is kept, from another terminal in that folder: $$PWD/$(BUILD)/recover" >&2; \
	exec ./$(BUILD)/snapd --workspace "$$WORKSPACE"

deps:
	@mkdir -p $(BUILD)
	@for g in build test; do CC='$(CC)' sh config/deps.sh $$g $(BUILD)/deps-$$g.mk || exit; done

# Everything the tests need, without running them: `make tests && build/tests/test_buf`.
tests: all $(UNITS) $(TOOLS) $(PRELOADS)

# TESTS='buf t_list' narrows the run to files whose name contains one of the words.
RUN	= BUILD=$(BUILD) CC='$(CC)' SAN=$(SAN) TESTS='$(TESTS)' tests/run.sh
test: tests
	@$(RUN) $(UNITS) $(wildcard tests/t_*.sh)
test-real: tests
	@TEST_TIMEOUT=$${TEST_TIMEOUT:-3600} $(RUN) $(wildcard tests/real_*.sh)
# The real-input scripts that give the same result on any machine say `# ci: yes`.
test-ci: tests
	@SEED=$${SEED:-1} $(RUN) $(shell grep -ls '^\# ci: yes' tests/real_*.sh)

asan:
	@$(MAKE) BUILD=build-asan SAN=address,undefined OPT='-O1 -g' test
tsan:
	@$(MAKE) BUILD=build-tsan SAN=thread OPT='-O1 -g' test

# Leaks are for make asan: clang does not see the cleanup attribute, gcc 12 loses
# what is stored through a pointer that realloc gave, and with early inlining
# stores in front of an inlined loop.
analyze:
	@sh config/deps.sh fuzz /dev/null
	@$(MAKE) -k $(patsubst %.c,%.analyze,$(filter-out tests/% bench/%,$(SOURCES)))
%.analyze: %.c FORCE
	$(say) CHECK $<
	$(Q)rc=0; gcc $(ALL_CFLAGS) -fno-early-inlining -fanalyzer -Wno-analyzer-malloc-leak -Werror \
		-c -o /dev/null $< || rc=1; \
	clang $(ALL_CFLAGS) --analyze --analyzer-output text -Xclang -analyzer-werror \
		-Xclang -analyzer-disable-checker=unix.Malloc $< || rc=1; exit $$rc

# Each target from its corpus, FUZZ_SECONDS each; FUZZ=name for one of them.
fuzz:
	@sh config/deps.sh fuzz /dev/null
	@$(MAKE) BUILD=build-fuzz CC=clang SAN=fuzzer-no-link,address,undefined fuzz-run
fuzz-run: $(patsubst %.c,$(BUILD)/%,$(if $(FUZZ),tests/fuzz/fuzz_$(FUZZ).c,$(FUZZ_SRC)))
	@for f in $^; do n=$${f##*/fuzz_}; log=$(BUILD)/fuzz-$$n.log; mkdir -p $(BUILD)/corpus/$$n tests/fuzz/corpus/$$n; \
	$$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -artifact_prefix=$(BUILD)/$$n- \
		$(BUILD)/corpus/$$n tests/fuzz/corpus/$$n >$$log 2>&1 || { tail -n 40 $$log; exit 1; }; \
	echo "$$n: $$(tail -n 1 $$log)"; done
$(BUILD)/tests/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(TEST_AR)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -fsanitize=fuzzer $(LINK) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS)

cover:
	-@$(MAKE) BUILD=build-cover COVER=1 test
	@cd build-cover && find . -name '*.gcda' ! -path './tests/*' | sort | xargs -r gcov -n 2>/dev/null | \
	awk -F"'" '/^File/ { f = $$2 } /^Lines executed/ && f ~ /\.c$$/ { sub(/Lines executed:/, ""); print $$0 "\t" f; f = "" }'

# The lines changed since the commit SINCE, and only those: a tree without changes stays as it is, and a change is not
# buried under others' lines.
SINCE	?= HEAD
format:
	@git clang-format --force --quiet --extensions c,h '$(SINCE)'; case $$? in 0|1) ;; *) exit 1;; esac
tags:
	ctags -R $(ROOMS) tests

# What lands where; uninstall takes exactly that away.
BIN	 = $(DESTDIR)$(PREFIX)/bin
LIBEXEC	 = $(DESTDIR)$(PREFIX)/libexec/holdfast
DOC	 = $(DESTDIR)$(PREFIX)/share/doc/holdfast
MAN	 = $(DESTDIR)$(PREFIX)/share/man
DOCS	 = README.md LICENSE config/holdfast.conf $(wildcard docs/*.md)
MANUALS	 = $(notdir $(wildcard docs/*.[1578]))
# Those of programs have the prefix; holdfast(7) and holdfast.conf(5) are nobody else's names.
man-at	 = $(MAN)/man$(subst .,,$(suffix $1))/$(if $(filter %.1,$1),$(NAME_PREFIX))$1
# $(call put,FILE,TARGET): a document, with the names as they are installed.
put	 = $(if $(NAME_PREFIX),sed 's/PREFIX/$(NAME_PREFIX)/g' docs/names.sed | sed -f - $1,cat $1)$(if $(filter README.md,$1), | sed -f docs/links.sed) >'$2' && chmod 644 '$2'

install: all
	@$(MAKE) --no-print-directory install-files
install-files:
	install -d '$(BIN)' '$(LIBEXEC)' '$(DOC)' $(foreach n,1 5 7,'$(MAN)/man$n')
	$(foreach p,$(PROGRAMS),install -m 755 $(BUILD)/$p '$(BIN)/$(NAME_PREFIX)$p' &&) :
	install -m 755 $(patsubst %,$(BUILD)/%,$(PARTS)) '$(LIBEXEC)'
	@set -e; $(foreach f,$(DOCS),$(call put,$f,$(DOC)/$(notdir $f));) \
	$(foreach m,$(MANUALS),$(call put,docs/$m,$(call man-at,$m));)

# A package for Debian and its children; NAME_PREFIX=hf- for hf-holdfast, with hf-snapd and so on.
MAINTAINER ?= Holdfast <holdfast@localhost.localdomain>
deb: all
	@env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL sh config/deb.sh '$(BUILD)' '$(NAME_PREFIX)' '$(VERSION)' '$(MAINTAINER)'

# The folders go when nothing else is in them. Stores and settings stay: they are the users'.
uninstall:
	rm -f $(foreach p,$(PROGRAMS),'$(BIN)/$(NAME_PREFIX)$p') $(foreach p,$(PARTS),'$(LIBEXEC)/$p') \
		$(foreach f,$(notdir $(DOCS)),'$(DOC)/$f') \
		$(foreach m,$(MANUALS),'$(call man-at,$m)')
	-@rmdir '$(LIBEXEC)' '$(DOC)' 2>/dev/null

clean:
	rm -rf build build-asan build-tsan build-fuzz build-cover '$(BUILD)' tags *.plist

help:
	@echo 'make                     build ./build/snapd, ./build/recover, ./build/detect'
	@echo 'make run WORKSPACE=DIR   install what is missing, build, watch DIR'
	@echo 'make test                unit and command-line tests (TESTS="words" narrows)'
	@echo 'make test-real           tests on real input; test-ci: those that give the same anywhere'
	@echo 'make asan | tsan         the tests under sanitizers'
	@echo 'make analyze             gcc -fanalyzer and clang --analyze'
	@echo 'make fuzz                libFuzzer, FUZZ_SECONDS=10 each, FUZZ=name for one'
	@echo 'make cover               line coverage per file'
	@echo 'make deps                install the packages to build and to test'
	@echo 'make install             DESTDIR= PREFIX=/usr/local NAME_PREFIX=hf- (hf-snapd, ...); uninstall'
	@echo 'make deb                 a Debian package in build/; NAME_PREFIX=hf- as above'
	@echo 'make format              the lines changed since SINCE=HEAD, by clang-format'
	@echo 'make tags | clean'
	@echo 'Variables: CC, DEV=1 (-Werror), V=1 (show commands), BUILD=dir, config.mk'
