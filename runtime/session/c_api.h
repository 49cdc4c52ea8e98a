// What the files behind ingot.h share: the handles, and errors kept a thread.
#pragma once
#include "runtime/session/chooser.h"
#include "runtime/session/session.h"
#include "runtime/tokenize/chat.h"
#include "runtime/tokenize/tokenizer.h"

#include <ingot/ingot.h>

struct ingot_model {
  ingot::Artifact artifact;
  ingot::Tokenizer tokenizer;
  ingot::ChatTemplate chat;
  bool has_tokenizer = false, has_chat = false;
};

struct ingot_session {
  ingot::Session session;
  ingot::Chooser chooser;
};

namespace ingot {

// Keeps the message for ingot_error_message().
ingot_code answer(const Status &status);

} // namespace ingot
