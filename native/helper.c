/*
 * The native helper: AEADs (aead.c), HMAC (hmac.c) and X25519 (x25519.c) over the OpenSSL that Node itself was built with,
 * with no object made for each use. It is optional, does nothing that node:crypto cannot do, and knows nothing of TLS.
 *
 *   scratch      1024 bytes, where what is short is put; each thread has its own
 *
 * The functions of OpenSSL are declared where they are used, since Node's headers need not be installed with it; they have
 * been the same from OpenSSL 3.0 on. They and Node-API's are found in the running program.
 */
#include "helper.h"

static void free_helper(napi_env env, void *data, void *hint) {
  (void)env, (void)hint;
  Helper *helper = data;
  free_aead(helper->aead);
  free_hmac(helper->hmac);
  free_x25519(helper->x25519);
  free(helper);
}

NAPI_MODULE_INIT() {
  Helper *helper = calloc(1, sizeof *helper);
  if (!helper) return failure(env, "out of memory");
  helper->aead = new_aead();
  helper->hmac = new_hmac();
  helper->x25519 = new_x25519();
  const bool is_whole = helper->aead && helper->hmac && helper->x25519;
  if (!is_whole || napi_set_instance_data(env, helper, free_helper, NULL) != napi_ok) {
    free_helper(env, helper, NULL);
    return failure(env, "out of memory");
  }
  napi_value buffer, scratch;
  napi_ref kept;
  void *memory = NULL;
  /* It is referred to for as long as the helper is there. */
  if (napi_create_arraybuffer(env, SCRATCH_LENGTH, &memory, &buffer) != napi_ok ||
      napi_create_typedarray(env, napi_uint8_array, SCRATCH_LENGTH, buffer, 0, &scratch) != napi_ok ||
      napi_create_reference(env, buffer, 1, &kept) != napi_ok)
    return NULL;
  helper->scratch = memory;
  const napi_property_descriptor properties[] = {
      {"scratch", NULL, NULL, NULL, NULL, scratch, napi_enumerable, NULL},
      {"newKey", NULL, new_key, NULL, NULL, NULL, napi_enumerable, NULL},
      {"forget", NULL, forget, NULL, NULL, NULL, napi_enumerable, NULL},
      {"seal", NULL, seal, NULL, NULL, NULL, napi_enumerable, NULL},
      {"open", NULL, open_sealed, NULL, NULL, NULL, napi_enumerable, NULL},
      {"hmac", NULL, hmac, NULL, NULL, NULL, napi_enumerable, NULL},
      {"generate", NULL, generate, NULL, NULL, NULL, napi_enumerable, NULL},
      {"agree", NULL, agree, NULL, NULL, NULL, napi_enumerable, NULL},
  };
  if (napi_define_properties(env, exports, sizeof properties / sizeof *properties, properties) != napi_ok) return NULL;
  return exports;
}
