/* A PKCS#11 module in front of SoftHSM2. It writes the name of each function called to the file beside it that ends in
 * .log, and where the one that ends in .at says "C_Name fault" it does that instead: crash, kill, exit, hang, orphan,
 * refuse, lie, a return value (0x..), or it does it besides: print, spawn, flood, close, and lengths that are huge or
 * negative. Functions are forwarded as eight words, which the calling conventions of Linux on amd64 and arm64 allow. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long word;
typedef word (*function)(word, word, word, word, word, word, word, word);

#define FUNCTIONS(F) \
  F(0, C_Initialize) F(1, C_Finalize) F(2, C_GetInfo) F(3, C_GetFunctionList) F(4, C_GetSlotList) F(5, C_GetSlotInfo) \
  F(6, C_GetTokenInfo) F(7, C_GetMechanismList) F(8, C_GetMechanismInfo) F(9, C_InitToken) F(10, C_InitPIN) \
  F(11, C_SetPIN) F(12, C_OpenSession) F(13, C_CloseSession) F(14, C_CloseAllSessions) F(15, C_GetSessionInfo) \
  F(16, C_GetOperationState) F(17, C_SetOperationState) F(18, C_Login) F(19, C_Logout) F(20, C_CreateObject) \
  F(21, C_CopyObject) F(22, C_DestroyObject) F(23, C_GetObjectSize) F(24, C_GetAttributeValue) \
  F(25, C_SetAttributeValue) F(26, C_FindObjectsInit) F(27, C_FindObjects) F(28, C_FindObjectsFinal) \
  F(29, C_EncryptInit) F(30, C_Encrypt) F(31, C_EncryptUpdate) F(32, C_EncryptFinal) F(33, C_DecryptInit) \
  F(34, C_Decrypt) F(35, C_DecryptUpdate) F(36, C_DecryptFinal) F(37, C_DigestInit) F(38, C_Digest) \
  F(39, C_DigestUpdate) F(40, C_DigestKey) F(41, C_DigestFinal) F(42, C_SignInit) F(43, C_Sign) F(44, C_SignUpdate) \
  F(45, C_SignFinal)

#define COUNT 68 /* functions of version 2.40; those after C_SignFinal are passed on as they are */

static struct {
  unsigned char version[sizeof(word)];
  function functions[COUNT];
} *real, list;

#define FLOOD "\0\0\0\x12\0{\"message\":\"done\"}" /* the frame of an answer */

static word length; /* to tell instead of the real one */

static FILE *open_beside(const char *end, const char *mode) {
  Dl_info self;
  char path[4096];
  if (!dladdr(&list, &self)) return NULL;
  snprintf(path, sizeof path, "%s%s", self.dli_fname, end);
  return fopen(path, mode);
}

static int fault_is(const char *name, char *fault) {
  char at[64] = "";
  FILE *file = open_beside(".at", "r");
  int found = file && fscanf(file, "%63s %23s", at, fault) == 2 && !strcmp(at, name);
  if (file) fclose(file);
  return found;
}

static word enter(const char *name) {
  char fault[24];
  FILE *log = open_beside(".log", "a");
  if (log) fprintf(log, "%s\n", name), fclose(log);
  if (!fault_is(name, fault)) return 0;
  if (!strcmp(fault, "crash")) raise(SIGSEGV);
  if (!strcmp(fault, "kill")) raise(SIGKILL);
  if (!strcmp(fault, "exit")) _exit(0);
  if (!strcmp(fault, "hang")) for (;;) pause();
  if (!strcmp(fault, "orphan")) { if (!fork()) for (;;) pause(); raise(SIGKILL); }
  if (!strcmp(fault, "print")) { write(1, "GARBAGE", 7); printf("GARBAGE\n"); fflush(stdout); return 0; }
  if (!strcmp(fault, "spawn")) { if (!fork()) for (;;) pause(); return 0; }
  if (!strcmp(fault, "flood")) { for (int fd = 3; fd < 16; fd++) write(fd, FLOOD, sizeof FLOOD - 1); return 0; }
  if (!strcmp(fault, "close")) { for (int fd = 0; fd < 16; fd++) close(fd); return 0; }
  if (!strcmp(fault, "abort")) abort();
  if (!strcmp(fault, "quit")) exit(0);
  if (!strcmp(fault, "huge")) { length = 1UL << 62; return 0; }
  if (!strcmp(fault, "negative")) { length = -1; return 0; }
  if (!strncmp(fault, "0x", 2)) return strtoul(fault, NULL, 16);
  return !strcmp(fault, "refuse") ? 0x05 : 0xDEADBEEF; /* CKR_GENERAL_ERROR; a code that nobody knows */
}

/* Where a function tells a length: its argument, or the first attribute's ulValueLen. */
static void tell(int index, word c, word d, word e) {
  word at = index == 4 || index == 7 ? c : index == 24 ? c + 2 * sizeof(word) : index == 27 ? d : index == 43 ? e : 0;
  if (length && at) *(word *)at = length;
}

#define WRAPPER(index, name) \
  static word wrapped_##index(word a, word b, word c, word d, word e, word f, word g, word h) { \
    length = 0; \
    word result = enter(#name); \
    if (!result) result = real->functions[index](a, b, c, d, e, f, g, h); \
    tell(index, c, d, e); \
    return result; \
  }
FUNCTIONS(WRAPPER)

word C_GetFunctionList(void *result) {
  word refused = enter("C_GetFunctionList");
  if (refused) return refused;
  void *library = dlopen(REAL, RTLD_NOW | RTLD_LOCAL);
  word (*get_list)(void *) = library ? (word (*)(void *))dlsym(library, "C_GetFunctionList") : NULL;
  if (!get_list || get_list(&real)) return 0x05;
  memcpy(&list, real, sizeof list);
#define ENTRY(index, name) list.functions[index] = wrapped_##index;
  FUNCTIONS(ENTRY)
  *(void **)result = &list;
  return 0;
}
