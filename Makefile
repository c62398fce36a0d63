# SPDX-License-Identifier: AGPL-3.0-or-later
# One Makefile for the whole house. `make help` lists the targets.
#
# VARIANT  release (default), debug, asan, tsan, cov, fuzz: each has its own build/VARIANT/
# V=1      show the commands
# DEVEL=1  warnings are errors

VARIANT ?= release
B := build/$(VARIANT)
.DEFAULT_GOAL := all
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' '$(1)' '$(2)';)

# ---- what Debian packages give -------------------------------------------------------------------
BUILD_PACKAGES := gcc make pkg-config gettext git ca-certificates libsodium-dev libsqlite3-dev libgit2-dev \
	libmicrohttpd-dev libgnutls28-dev libcurl4-gnutls-dev libjansson-dev \
	libavahi-client-dev libseccomp-dev libudev-dev libcmark-dev libxml2-dev libgfshare-dev libqrencode-dev libsystemd-dev
RUN_PACKAGES := avahi-daemon dbus
TEST_PACKAGES := $(RUN_PACKAGES) rauc squashfs-tools libcmocka-dev perl python3 python3-nacl avahi-utils iproute2 nftables \
	procps curl openssl nodejs npm chromium universal-ctags network-manager dnsmasq-base busybox udhcpc grub-common grub-emu mtools fdisk dosfstools \
	device-tree-compiler
BENCH_PACKAGES := fossil wrk time
IMAGE_PACKAGES := mmdebstrap squashfs-tools cryptsetup-bin mtools dosfstools fdisk e2fsprogs cpio zstd kmod binutils \
	uidmap openssl python3 git
ifeq ($(ARCH),arm64)
IMAGE_PACKAGES += qemu-user-static device-tree-compiler
endif
IMAGE_TEST_PACKAGES := qemu-system-x86 qemu-utils ovmf rauc openssl python3 nodejs npm chromium
FUZZ_PACKAGES := clang llvm libclang-rt-dev
PKGS := libsodium sqlite3 libgit2 libmicrohttpd gnutls libcurl jansson avahi-client libseccomp libudev libcmark libxml-2.0 libgfshare libqrencode libsystemd

# ---- flags ---------------------------------------------------------------------------------------
CC := gcc
ifneq ($(shell command -v ccache 2>/dev/null),)
CCACHE := ccache
endif
VERSION := $(shell git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)
OPT_release := -O2 -g
OPT_debug := -O0 -g3
OPT_asan := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
OPT_tsan := -O1 -g -fsanitize=thread
OPT_cov := -O0 -g --coverage
OPT_fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
ifeq ($(VARIANT),fuzz)
CC := clang
endif
ifeq ($(OPT_$(VARIANT)),)
$(error VARIANT is one of release debug asan tsan cov fuzz)
endif
# What a sanitizer puts in between misleads the warnings that follow values; clang's own two are about tables.
WARN_asan := -Wno-format-truncation -Wno-maybe-uninitialized -Wno-stringop-overread
WARN_tsan := $(WARN_asan)
WARN_fuzz := -Wno-format-security -Wno-string-concatenation
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla \
	-Wno-unused-parameter -Wno-missing-field-initializers $(if $(DEVEL),-Werror)
ifneq ($(WARN_$(VARIANT)),)
WARN += $(WARN_$(VARIANT))
endif
HARDEN := -fstack-protector-strong -fPIE $(if $(filter release,$(VARIANT)),-D_FORTIFY_SOURCE=2)
CFLAGS_ALL = -std=gnu11 $(OPT_$(VARIANT)) $(WARN) $(HARDEN) -pthread -D_GNU_SOURCE -I. -I$(B)/gen \
	-include sync/base/banned.h $(shell pkg-config --cflags $(PKGS) 2>/dev/null) $(CFLAGS)
LIBS = $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm
LDFLAGS_ALL = $(OPT_$(VARIANT)) -pie -pthread -Wl,-z,relro,-z,now $(LDFLAGS)

# ---- sources: a file is found by being there -----------------------------------------------------
SYNC_SRC := $(shell find sync -name '*.c' | sort)
# Beneath the daemon: firmware/NAME/main.c is the program lliure-NAME, all other files are in the library.
FIRMWARE_MAIN := $(wildcard firmware/*/main.c)
FIRMWARE := $(patsubst firmware/%/main.c,$(B)/lliure-%,$(FIRMWARE_MAIN))
APP_SRC := $(filter-out appliance/main.c $(FIRMWARE_MAIN),$(shell find appliance firmware -name '*.c' 2>/dev/null | sort))
TEST_LIB_SRC := $(filter-out %_test.c %_tool.c,$(shell find tests/lib tests/sim -name '*.c' | sort))
TEST_SRC := $(shell find tests -name '*_test.c' 2>/dev/null | sort)
FUZZ_SRC := $(shell find tests/fuzz -name 'fuzz_*.c' 2>/dev/null | sort)
TOOL_SRC := $(shell find tests -name '*_tool.c' 2>/dev/null | sort)
SHELL_TESTS := $(shell find tests -name '*.t' 2>/dev/null | sort)

obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
SYNC_OBJ := $(call obj,$(SYNC_SRC))
APP_OBJ := $(call obj,$(APP_SRC)) $(B)/obj/gen/assets.o
TEST_LIB_OBJ := $(call obj,$(TEST_LIB_SRC))
TESTS := $(patsubst tests/%.c,$(B)/tests/%,$(TEST_SRC))
TOOLS := $(patsubst tests/%.c,$(B)/tests/%,$(TOOL_SRC))
FUZZERS := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(FUZZ_SRC))
REPLAYS := $(patsubst tests/fuzz/%.c,$(B)/replay/%,$(FUZZ_SRC))

.PHONY: all programs help deps run test test-build test-deps fuzz bench sim image clean format check-format install

all: programs $(B)/lliure.1 ## build build/VARIANT/lliure, its manual page, and the programs of firmware/

programs: $(B)/lliure $(FIRMWARE)

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n",$$1,$$2}' $(MAKEFILE_LIST)
	@echo "  VARIANT=release|debug|asan|tsan|cov|fuzz   V=1   DEVEL=1"

# The programs of firmware/ belong to the image, which puts them and their units where they go.
prefix = /usr/local
bindir = $(prefix)/bin
mandir = $(prefix)/share/man
install: $(B)/lliure $(B)/lliure.1 ## put lliure, its manual page and its source below DESTDIR and prefix (/usr/local)
	$(Q)install -D -m 755 $(B)/lliure $(DESTDIR)$(bindir)/lliure
	$(Q)install -D -m 644 $(B)/lliure.1 $(DESTDIR)$(mandir)/man1/lliure.1
	$(Q)image/source $(DESTDIR)$(prefix)/share/lliure/source.tar.gz

deps: ## install the missing Debian packages for building and running
	$(Q)tests/lib/install-packages $(BUILD_PACKAGES) $(RUN_PACKAGES)
test-deps:
	$(Q)tests/lib/install-packages $(BUILD_PACKAGES) $(TEST_PACKAGES)

# ---- compiling -----------------------------------------------------------------------------------
# The flags file changes when the compiler or a flag does, and everything is made again.
$(B)/flags: FORCE
	@mkdir -p $(B)
	@echo '$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL)' | cmp -s - $@ || echo '$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL)' >$@
# As a phony one: make 4.4 with .SECONDARY takes a file that is not there for one that need not be made.
.PHONY: FORCE

# Only what shows the version is made again when it changes.
$(B)/version: FORCE
	@mkdir -p $(B)
	@echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' >$@
$(B)/gen/version.h: $(B)/version
	@mkdir -p $(@D)
	@echo '#define LLIURE_VERSION "$(VERSION)"' >$@
$(B)/obj/appliance/about/about_pages.o $(B)/obj/appliance/admin/admin_pages.o $(B)/obj/appliance/command/help.o $(B)/obj/appliance/recovery/backup.o: $(B)/gen/version.h
# Made from the table of commands: read it with man -l.
$(B)/lliure.1: $(B)/lliure
	$(call say,MAN,$@)$(B)/lliure help --man >$@.tmp && mv $@.tmp $@

$(B)/obj/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CCACHE) $(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(B)/libsync.a: $(SYNC_OBJ)
	$(call say,AR,$@)rm -f $@ && $(AR) rcs $@ $^
$(B)/libappliance.a: $(APP_OBJ)
	$(call say,AR,$@)rm -f $@ && $(AR) rcs $@ $^
$(B)/libtest.a: $(TEST_LIB_OBJ)
	$(call say,AR,$@)rm -f $@ && $(AR) rcs $@ $^

$(B)/lliure: $(B)/obj/appliance/main.o $(B)/libappliance.a $(B)/libsync.a
	$(call say,LINK,$@)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

# As needed: what runs as root loads no library that it does not call.
$(B)/lliure-%: $(B)/obj/firmware/%/main.o $(B)/libappliance.a $(B)/libsync.a
	$(call say,LINK,$@)$(CC) $(LDFLAGS_ALL) -Wl,--as-needed -o $@ $^ $(LIBS)

# ---- templates, styles and translations, inside the program --------------------------------------
LOCALES := $(patsubst webui/locale/%.po,%,$(wildcard webui/locale/*.po))
MO := $(patsubst %,$(B)/gen/locale/%.mo,$(LOCALES))
ASSETS := $(shell find webui/templates webui/static -type f 2>/dev/null | sort)
$(B)/gen/locale/%.mo: webui/locale/%.po
	@mkdir -p $(@D)
	$(call say,MSGFMT,$<)msgfmt -c -o $@ $<
$(B)/gen/assets.c: webui/embed $(ASSETS) $(MO)
	@mkdir -p $(@D)
	$(call say,EMBED,$@)webui/embed $(B)/gen $(ASSETS) $(MO) >$@
$(B)/obj/gen/assets.o: $(B)/gen/assets.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CFLAGS_ALL) -c -o $@ $<

# ---- tests ---------------------------------------------------------------------------------------
$(B)/tests/%_test: $(B)/obj/tests/%_test.o $(B)/libtest.a $(B)/libappliance.a $(B)/libsync.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS) -lcmocka
$(B)/tests/%_tool: $(B)/obj/tests/%_tool.o $(B)/libtest.a $(B)/libappliance.a $(B)/libsync.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)
$(B)/fuzz/%: $(B)/obj/tests/fuzz/%.o $(B)/libtest.a $(B)/libappliance.a $(B)/libsync.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $^ $(LIBS)
# The same target, without libFuzzer: runs each file of its corpus once.
$(B)/replay/%: $(B)/obj/tests/fuzz/%.o $(B)/obj/tests/fuzz/replay.o $(B)/libtest.a $(B)/libappliance.a $(B)/libsync.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

test-build: $(B)/lliure $(FIRMWARE) $(TESTS) $(TOOLS) $(REPLAYS) ## build the tests
# TESTS_ONLY=path/to/one.t or a name's part runs a part.
test: test-deps ## install what the tests need, build and run every test
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) test-build VARIANT=$(VARIANT)
	$(Q)tests/run $(B) $(TESTS_ONLY)

# What wants no network and no browser of its own; and what starts threads, where two may meet.
SANITIZED := ^build/asan/tests/\|^tests/\(e2e\|hostile\|fuzz\|interop\|vectors\)/
THREADED := pthread_create\|site_open\|sync_start\|writer_start\|server_start\|listener_start
sanitize: test-deps ## the tests under ASan and UBSan, those of threads under TSan
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) VARIANT=asan test-build
	$(Q)tests/run build/asan '$(SANITIZED)'
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) VARIANT=tsan test-build
	$(Q)tests/run build/tsan "$$(grep -rl --include='*_test.c' '$(THREADED)' tests | sed 's,^,build/tsan/,;s,\.c$$,$$,')"
.PHONY: sanitize

FUZZ_SECONDS ?= 60
fuzz: ## run each fuzz target for FUZZ_SECONDS (60)
	$(Q)tests/lib/install-packages $(BUILD_PACKAGES) $(FUZZ_PACKAGES)
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) VARIANT=fuzz fuzz-build
	$(Q)tests/fuzz/run build/fuzz $(FUZZ_SECONDS)
.PHONY: fuzz-build
fuzz-build: $(FUZZERS) $(B)/tests/fuzz/exchange_tool

SEEDS ?= 5000
sim: test-build ## the simulations with SEEDS (5000) random courses
	$(Q)$(B)/tests/sim/sim_test --seeds $(SEEDS) --seconds 1000000 --jobs $$(nproc)
	$(Q)$(B)/tests/appliance/community/convergence_test --seeds $(SEEDS)
	$(Q)$(B)/tests/sync/replicate/converge_test --seeds $(SEEDS)

bench: ## measure against peers, one table of ratios
	$(Q)tests/lib/install-packages $(BUILD_PACKAGES) $(BENCH_PACKAGES)
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) VARIANT=release all build/release/tests/bench/bench_tool
	$(Q)tests/bench/run build/release

# ---- the disk image: see image/README.md ---------------------------------------------------------
# SUITE, FLAVOUR (full, cloud) and OUT choose, as image/build says.
image: ## the disk image; FLAVOUR=cloud for a quick one, ARCH=arm64 for Raspberry Pi 4 and 5
	$(Q)tests/lib/install-packages $(IMAGE_PACKAGES)
	$(Q)image/build
image-repro: ## the image twice, and every byte compared
	$(Q)tests/lib/install-packages $(IMAGE_PACKAGES)
	$(Q)image/repro
image-test: ## build an image, boot it in qemu and do what people do
	$(Q)tests/lib/install-packages $(IMAGE_PACKAGES) $(IMAGE_TEST_PACKAGES)
	$(Q)image/test/systems
	$(Q)python3 image/test/image_test.py $(addprefix build/image/lliure-amd64-cloud,.img -broken.raucb -good.raucb -again.raucb)
# Pieces that are programs of their own, with systems of their own.
IMAGE_MORE := twins radio arm
image-faults: ## what goes wrong with boxes; PIECES='kills cuts …' for some of it (image/test/faults.py, twins radio arm)
	$(Q)tests/lib/install-packages $(IMAGE_PACKAGES) $(IMAGE_TEST_PACKAGES)
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) all
ifneq ($(if $(PIECES),$(filter-out $(IMAGE_MORE),$(PIECES)),all),)
	$(Q)image/test/systems faults
	$(Q)python3 image/test/faults.py build/image/lliure-amd64-cloud-faults.img $(filter-out $(IMAGE_MORE),$(PIECES))
endif
	$(Q)$(MAKE) --no-print-directory $(addprefix image-,$(if $(PIECES),$(filter $(IMAGE_MORE),$(PIECES)),$(IMAGE_MORE)))
image-twins: ## two boxes fresh from the image find each other, and a post crosses
	$(Q)FLAVOUR=cloud image/build
	$(Q)python3 image/test/twins.py build/image/lliure-amd64-cloud.img
image-radio: ## the box's own Wi-Fi on simulated radios, with two phones
	$(Q)FLAVOUR=full image/build
	$(Q)python3 image/test/radio.py build/image/lliure-amd64-full.img
image-arm: ## the arm64 image: on a machine with UEFI, and what a Raspberry Pi does before
	$(Q)tests/lib/install-packages qemu-user-static qemu-system-arm qemu-efi-aarch64
	$(Q)ARCH=arm64 image/build
	$(Q)python3 image/test/arm.py build/image/lliure-arm64-full.img build/image/pi3.dtb
.PHONY: print-build-packages image-repro image-test image-faults $(addprefix image-,$(IMAGE_MORE))
print-build-packages:
	@echo $(filter-out git ca-certificates,$(BUILD_PACKAGES))

# ---- trying it -----------------------------------------------------------------------------------
run: deps ## build, make a demonstration box in build/run the first time, and serve it
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) all
	$(Q)NAME= appliance/run-demo $(B)/lliure build/run

compile_commands.json: Makefile
	$(Q)(echo '['; for f in $(SYNC_SRC) $(APP_SRC) appliance/main.c $(TEST_SRC); do \
	  printf '{"directory":"%s","file":"%s","command":"cc %s -c %s"},\n' "$(CURDIR)" "$$f" \
	  "$$(echo '$(CFLAGS_ALL)' | sed 's/"/\\"/g')" "$$f"; done | sed '$$ s/,$$//'; echo ']') >$@

format: ## let clang-format decide
	$(Q)clang-format -i $$(git ls-files '*.c' '*.h')
check-format:
	$(Q)clang-format --dry-run -Werror $$(git ls-files '*.c' '*.h')

clean: ## remove what was built (build/run, the demonstration box, stays)
	rm -rf $(filter-out build/run,$(wildcard build/*)) compile_commands.json

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
.SECONDARY:
