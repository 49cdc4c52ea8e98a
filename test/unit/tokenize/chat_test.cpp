// Chat templates: Jinja's behaviour piece by piece, and the templates of real models.
#include "data.h"

#include "runtime/tokenize/chat.h"

namespace ingot::test {
namespace {

const std::vector<ChatMessage> conversation = {
    {"system", "Be brief."}, {"user", " Hi "}, {"assistant", "Hello!"}, {"user", "Bye"}};

// The text, or "error: ..." from either side.
std::string render(const std::string &source,
                   ChatInput input = {.messages = conversation, .bos_token = "<s>", .eos_token = "</s>"}) {
  std::vector<uint8_t> program;
  std::string problem, text;
  if (!compileChatTemplate(source, program, problem)) return "error: " + problem;
  ChatTemplate chat;
  Status status = chat.load(program);
  if (status.ok()) status = chat.render(input, &text);
  return status.ok() ? text : std::string("error: ") + status.message();
}

TEST(ChatTemplate, ChatMlOfSmolLM2) {
  std::string source =
      "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou "
      "are a "
      "helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + "
      "message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ "
      "'<|im_start|>assistant\n' }}{% endif %}";
  const std::vector<ChatMessage> one = {{"user", "Hi"}};
  EXPECT_EQ(render(source, {.messages = one}),
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(render(source, {.messages = conversation, .add_generation_prompt = false}),
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n Hi "
            "<|im_end|>\n<|im_start|>assistant\nHello!<|im_end|>\n"
            "<|im_start|>user\nBye<|im_end|>\n");
}

TEST(ChatTemplate, WhiteSpaceControl) {
  EXPECT_EQ(render("a\n  {% if true %}\n  b\n  {% endif %}\nc\n"), "a\n  b\nc");
  EXPECT_EQ(render("a \n {{- 'b' -}} \n c"), "abc");
  EXPECT_EQ(render("a\n  {%+ if true %}b{% endif %}"), "a\n  b");
  EXPECT_EQ(render("a {# note #}\nb"), "a b");
  EXPECT_EQ(render("  {{ 'x' }}\n y"), "  x\n y");
}

TEST(ChatTemplate, Expressions) {
  EXPECT_EQ(render("{{ 1 + 2 * 3 - 4 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }}"), "3 3 -4 2");
  EXPECT_EQ(render("{{ 'a' ~ 1 ~ true ~ none }}"), "a1TrueNone");
  EXPECT_EQ(render("{{ 'x' if 1 > 2 else 'y' }}{{ 'z' if false }}"), "y");
  EXPECT_EQ(render("{{ (1 == 1) and not (2 in [1, 3]) and 'b' not in 'ac' }}"), "True");
  EXPECT_EQ(render("{{ '' or 'fallback' }} {{ 0 and 1 }}"), "fallback 0");
  EXPECT_EQ(render("{{ 'abcdef'[1:4] }} {{ 'abc'[::-1] }} {{ [1,2,3][-1] }} {{ messages[1:]|length }} {{ 'äöü'[1] }}"),
            "bcd cba 3 3 ö");
  EXPECT_EQ(render("{{ \"q\\\"\\n\\u00e9\" 'joined' }}"), "q\"\n\u00e9joined");
  EXPECT_EQ(render("{{ {'a': {'b': 5}}.a['b'] }}"), "5");
}

TEST(ChatTemplate, FiltersMethodsAndTests) {
  EXPECT_EQ(
      render("{{ '  x ' | trim }}|{{ 'aBc'|upper }}{{ 'ÄB'|lower }}{{ 'hELLO wORLD'|capitalize }}{{ 'ab cd'|title }}"),
      "x|ABCäbHello worldAb Cd");
  EXPECT_EQ(
      render("{{ 'a</t>b</t>c'.split('</t>')[-1] }} {{ 'a b  c'.split()|join('-') }} {{ 'a,b,c'.split(',', 1)[1] }}"),
      "c a-b-c b,c");
  EXPECT_EQ(render("{{ '\n\nx\n'.lstrip('\n').rstrip('\n') }}{{ 'xxy'.replace('x', 'ab') }}"), "xababy");
  EXPECT_EQ(render("{{ missing is defined }} {{ missing|default('d') }} {{ messages is iterable }} {{ 'x' is string }} "
                   "{{ 3 is odd }}"),
            "False d True True True");
  EXPECT_EQ(render("{{ {'a': [1, 'q\"\n'], 'b': none} | tojson }}"), "{\"a\": [1, \"q\\\"\\n\"], \"b\": null}");
  EXPECT_EQ(render("{{ {'a': [1]} | tojson(indent=2) }}"), "{\n  \"a\": [\n    1\n  ]\n}");
  EXPECT_EQ(render("{{ (messages | selectattr('role', 'equalto', 'user') | list)[-1].content }}"), "Bye");
  EXPECT_EQ(render("{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }};{% endfor %}"), "a=1;b=2;");
}

TEST(ChatTemplate, LoopsAndScopes) {
  EXPECT_EQ(render("{% for i in range(3) %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ "
                   "loop.length }} {% endfor %}"),
            "10TrueFalse3 21FalseFalse3 32FalseTrue3 ");
  EXPECT_EQ(render("{% for i in [] %}x{% else %}none{% endfor %}{% for i in [1] %}y{% else %}none{% endfor %}"),
            "noney");
  EXPECT_EQ(render("{% for i in range(6) if i % 2 == 0 %}{{ i }}{{ loop.last }}{% endfor %}"), "0False2False4True");
  EXPECT_EQ(render("{% for i in range(9) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}{% break %}{% endif "
                   "%}{{ i }}{% endfor %}"),
            "02");
  EXPECT_EQ(render("{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}"),
            "12 13 1"); // Jinja's scoping
  EXPECT_EQ(
      render("{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}"),
      "4");
  EXPECT_EQ(render("{% for a in [1,2] %}{% for b in 'xy' %}{{ a }}{{ b }}{{ loop.index }}{% endfor %}{{ loop.index }} "
                   "{% endfor %}"),
            "1x11y21 2x12y22 ");
  EXPECT_EQ(render("{% set t %}in{{ 1 }}{% endset %}[{{ t }}]"), "[in1]");
  EXPECT_EQ(
      render(
          "{% for m in messages[::-1] %}{{ m.content|trim }}{{ loop.previtem.role if not loop.first }},{% endfor %}"),
      "Bye,Hello!user,Hiassistant,Be brief.user,");
}

TEST(ChatTemplate, Macros) {
  EXPECT_EQ(render("{% macro turn(role, text='-') %}<{{ role }}>{{ text }}{% endmacro %}{{ turn('a') }}{{ turn('b', "
                   "text='c') | upper }}"),
            "<a>-<B>C");
  EXPECT_EQ(
      render(
          "{% set g = 'G' %}{% macro f(x) %}{{ g }}{{ x }}{% set g = 'local' %}{{ g }}{% endmacro %}{{ f(1) }}{{ g }}"),
      "G1localG");
}

TEST(ChatTemplate, UnsupportedConstructsNameThemselvesAndTheirLine) {
  EXPECT_EQ(render("a\n{% include 'x' %}"), "error: line 2: {% include %} is not supported");
  EXPECT_EQ(render("{{ x | wordwrap }}"), "error: line 1: the filter 'wordwrap' is not supported");
  EXPECT_EQ(render("{{ x is sameas y }}"), "error: line 1: the test 'sameas' is not supported");
  EXPECT_EQ(render("\n\n{{ cycler(1) }}"), "error: line 3: the function cycler() is not supported");
  EXPECT_EQ(render("{{ x.popitem() }}"), "error: line 1: the method .popitem() is not supported");
  EXPECT_EQ(render("{% for x in [1] %}{{ loop.cycle('a') }}{% endfor %}"),
            "error: line 1: the method .cycle() is not supported");
  EXPECT_EQ(render("{{ 1.5 }}"), "error: line 1: a number that is no small integer is not supported");
  EXPECT_EQ(render("{% if x %}"), "error: line 1: the block that starts here has no {% endif %}");
  EXPECT_EQ(render("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"),
            "error: line 1: the recursive macro 'f' is not supported");
}

TEST(ChatTemplate, TheTemplatesOwnComplaintReachesTheUser) {
  EXPECT_EQ(render("{{ raise_exception('Roles must alternate') }}"), "error: chat template: Roles must alternate");
  EXPECT_EQ(render("{{ missing.role }}"), "error: chat template: 'role' of an undefined value");
  EXPECT_EQ(render("{{ 'a' + 1 }}"), "error: chat template: + of a string and an integer");
}

TEST(ChatTemplate, ExecutionIsBounded) {
  EXPECT_TRUE(render("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")
                  .starts_with("error: chat template: it passed its limit"));
  EXPECT_TRUE(
      render("{% set ns = namespace(s='aaaaaaaa') %}{% for a in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}")
          .starts_with("error: chat template: it passed its limit"));
  std::string deep(1000, '(');
  EXPECT_EQ(render("{{ " + deep + " }}"), "error: line 1: expressions are nested too deep");
}

TEST(ChatTemplate, BrokenTemplatesNeverCrash) {
  std::string source = "{%- macro f(a, b='x') -%}{{ a|trim ~ b[1:] }}{%- endmacro %}{% for m, n in x.items() if m is "
                       "string %}{{ f({'k': [m, -n]}, b=n.y) }}"
                       "{% elif %}{% else %}{% endfor %}{% set a.b = 'q' if c else d %}{# c #}";
  for (size_t i = 0; i <= source.size(); ++i) {
    render(source.substr(0, i));
    render(source.substr(i));
    std::string dropped = source;
    render(dropped.erase(i % source.size(), 1));
  }
}

TEST(ChatTemplate, TodayComesFromTheCaller) {
  ChatDate today{2025, 12, 17};
  EXPECT_EQ(render("{{ strftime_now('%d %b %Y') }}", {.messages = conversation, .today = &today}), "17 Dec 2025");
  EXPECT_EQ(render("{{ strftime_now is defined }}"), "False");
  EXPECT_TRUE(render("{{ strftime_now('%d') }}").starts_with("error: chat template: strftime_now"));
}

// 29 models' templates. Conversations with tools or with contents that are no text are outside our interface.
TEST(ChatTemplate, RealModelsRenderAsRecorded) {
  fs::path file = shared("data/chat-templates/cases.json");
  if (file.empty()) GTEST_SKIP() << "needs the shared data";
  size_t compiled = 0, faithful = 0, models = 0, plain = 0, matching = 0;
  const ChatDate today{2025, 12, 17}; // when they were recorded
  const auto recorded = json(file);
  for (const auto &[model, entry] : recorded.items()) {
    std::vector<uint8_t> program;
    std::string problem;
    ++models;
    if (!compileChatTemplate(entry["template"], program, problem)) {
      printf("%s: %s\n", model.c_str(), problem.c_str());
      continue;
    }
    ++compiled;
    ChatTemplate chat;
    Status status = chat.load(program);
    ASSERT_TRUE(status.ok()) << status.message();
    bool all = true;
    for (const auto &c : entry["cases"]) {
      std::vector<ChatMessage> messages;
      bool text = !c.contains("tools");
      for (const auto &m : c["messages"]) {
        text = text && m.size() == 2 && m["content"].is_string();
        if (text)
          messages.push_back({m["role"].get_ref<const std::string &>(), m["content"].get_ref<const std::string &>()});
      }
      if (!text) continue;
      ++plain;
      auto special = [&](const char *name) {
        const auto &t = entry["special_tokens"][name];
        return t.is_string() ? t.get<std::string>() : "";
      };
      std::string bos = special("bos_token"), eos = special("eos_token"), out;
      status = chat.render({messages, c["add_generation_prompt"], bos, eos, &today}, &out);
      bool same = status.ok() && out == c["expected"].get<std::string>();
      if (!same && all)
        printf("%s, %s: %s\n", model.c_str(), c["description"].get<std::string>().c_str(), status.message());
      matching += same;
      all = all && same;
    }
    faithful += all;
  }
  printf("%zu of %zu templates compile, %zu render as expected (%zu of %zu conversations)\n", compiled, models,
         faithful, matching, plain);
  EXPECT_EQ(models, 29u);
  EXPECT_EQ(compiled, 29u);
  EXPECT_EQ(faithful, 29u);
  EXPECT_EQ(matching, plain);
}

} // namespace
} // namespace ingot::test
