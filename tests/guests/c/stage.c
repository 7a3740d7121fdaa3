// A stage in C, from bindings of the contract's own world `pure-stage` and nothing else: it looks at time, randomness, NaNs and
// memory, and answers what it saw.

#include "pure_stage.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char MANIFEST[] =
    "{\"name\":\"guests/c\",\"version\":\"1.0.0\","
    "\"summary\":\"Looks at time, randomness, NaNs and memory, and answers what it saw\","
    "\"configuration\":{\"type\":\"object\",\"properties\":{\"fail\":{\"type\":\"boolean\"}}},"
    "\"outputs\":{\"type\":\"object\",\"properties\":{\"seen\":{\"type\":\"array\"}}},\"skip\":\"never\"}";

// What was seen, as the beginning of the JSON of the outputs; each also a line of the log.
static char outputs[4096] = "{\"seen\":[";
static size_t length = sizeof "{\"seen\":[" - 1;

static void see(const char *format, ...) {
  char line[256];
  va_list values;
  va_start(values, format);
  vsnprintf(line, sizeof line, format, values);
  va_end(values);
  pure_stage_string_t message;
  pure_stage_string_set(&message, line);
  stageway_host_log_write(STAGEWAY_HOST_LOG_LEVEL_INFO, &message);
  const char *before = length > sizeof "{\"seen\":[" ? "," : "";
  length += (size_t)snprintf(outputs + length, sizeof outputs - length, "%s\"%s\"", before, line);
}

static void see_randomness(void) {
  pure_stage_list_u8_t bytes;
  stageway_host_invocation_random(8, &bytes);
  char hex[17] = "";
  for (size_t at = 0; at < bytes.len && at < 8; at++) {
    snprintf(hex + 2 * at, 3, "%02x", bytes.ptr[at]);
  }
  pure_stage_list_u8_free(&bytes);
  see("random %s", hex);
}

static void see_nans(void) {
  volatile double zero = 0.0;
  union {
    double number;
    uint64_t bits;
  } made = {.number = zero / zero}, negated = {.number = -(zero / zero)}, passed = {.bits = 0x7ff8deadbeef0001};
  passed.number += zero;
  see("nans %016llx %016llx %016llx", made.bits, negated.bits, passed.bits);
}

static void see_memory(void) {
  size_t size = 16 << 20;
  uint8_t *pages = malloc(size);
  uint32_t sum = 0;
  for (size_t at = 0; pages != NULL && at < size; at += 4096) {
    pages[at] = (uint8_t)(at >> 12);
    sum = sum * 31 + pages[at];
  }
  see("memory %p %u", (void *)pages, sum);
  free(pages);
}

void exports_stageway_stage_stage_describe(exports_stageway_stage_stage_json_t *ret) {
  pure_stage_string_dup(ret, MANIFEST);
}

void exports_stageway_stage_stage_validate(exports_stageway_stage_stage_json_t *config,
                                           exports_stageway_stage_stage_list_config_issue_t *ret) {
  exports_stageway_stage_stage_json_free(config);
  ret->ptr = NULL;
  ret->len = 0;
}

bool exports_stageway_stage_stage_run(exports_stageway_stage_stage_json_t *config,
                                      exports_stageway_stage_stage_json_t *ret,
                                      exports_stageway_stage_stage_verdict_t *err) {
  static const char FAIL[] = "{\"fail\":true}";
  bool fails = config->len == sizeof FAIL - 1 && memcmp(config->ptr, FAIL, config->len) == 0;
  exports_stageway_stage_stage_json_free(config);
  for (int round = 0; round < 3; round++) {
    stageway_host_clock_host_error_t refused;
    see("now %.0f", stageway_host_clock_now_ms());
    see_randomness();
    see_nans();
    see("cancelled %d", stageway_host_invocation_is_cancelled());
    if (!stageway_host_clock_sleep(5, &refused)) {
      stageway_host_clock_host_error_free(&refused);
      see("the sleep was cut short");
    }
  }
  see_memory();
  if (fails) {
    err->tag = EXPORTS_STAGEWAY_STAGE_STAGE_VERDICT_FAILED;
    pure_stage_string_dup(&err->val.failed.code, "guests/told-to");
    pure_stage_string_dup(&err->val.failed.message, "it was told to fail");
    err->val.failed.details.is_some = false;
    return false;
  }
  snprintf(outputs + length, sizeof outputs - length, "]}");
  pure_stage_string_dup(ret, outputs);
  return true;
}
