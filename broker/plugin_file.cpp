#include "broker/plugin_file.hpp"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string_view>
#include <vector>

namespace signalbox {

namespace {

using FileHeader = ElfW(Ehdr);
using Section = ElfW(Shdr);
using Segment = ElfW(Phdr);
using Symbol = ElfW(Sym);

class ElfFile {
 public:
  explicit ElfFile(const std::string& path)
      : stream_(path, std::ios::binary), size_(static_cast<uint64_t>(std::filesystem::file_size(path, error_))) {}

  bool is_open() const { return stream_.is_open() && !error_; }

  // `count` structs that stand together at `offset`; fewer are none.
  template <typename Struct>
  std::vector<Struct> read(uint64_t offset, uint64_t count) {
    std::vector<Struct> structs;
    if (offset > size_ || count > (size_ - offset) / sizeof(Struct)) return structs;
    structs.resize(count);
    stream_.clear();
    stream_.seekg(static_cast<std::streamoff>(offset));
    stream_.read(reinterpret_cast<char*>(structs.data()), static_cast<std::streamsize>(count * sizeof(Struct)));
    if (!stream_) structs.clear();
    return structs;
  }

 private:
  std::error_code error_;
  std::ifstream stream_;
  uint64_t size_;
};

// This program's own header, which says what machine it is for.
FileHeader own_header() {
  Dl_info info{};
  FileHeader header{};
  if (dladdr(reinterpret_cast<const void*>(&read_plugin_stamp), &info) != 0) {
    std::memcpy(&header, info.dli_fbase, sizeof header);
  }
  return header;
}

bool is_for_this_machine(const FileHeader& header) {
  const FileHeader own = own_header();
  return header.e_ident[EI_CLASS] == own.e_ident[EI_CLASS] && header.e_ident[EI_DATA] == own.e_ident[EI_DATA] &&
         header.e_machine == own.e_machine && header.e_shentsize == sizeof(Section) &&
         header.e_phentsize == sizeof(Segment);
}

// The exported symbol of that name.
std::optional<Symbol> find_symbol(ElfFile& file, const FileHeader& header, std::string_view name) {
  const std::vector<Section> sections = file.read<Section>(header.e_shoff, header.e_shnum);
  for (const Section& section : sections) {
    if (section.sh_type != SHT_DYNSYM || section.sh_link >= sections.size()) continue;
    const Section& text_section = sections[section.sh_link];
    const std::vector<char> texts = file.read<char>(text_section.sh_offset, text_section.sh_size);
    for (const Symbol& symbol : file.read<Symbol>(section.sh_offset, section.sh_size / sizeof(Symbol))) {
      if (symbol.st_shndx == SHN_UNDEF || symbol.st_name >= texts.size()) continue;
      const char* const start = texts.data() + symbol.st_name;
      if (std::string_view(start, strnlen(start, texts.size() - symbol.st_name)) == name) return symbol;
    }
  }
  return std::nullopt;
}

// The bytes that will be that symbol's once the file is loaded. A shorter stamp than ours leaves the rest null.
std::optional<PluginStamp> read_symbol(ElfFile& file, const FileHeader& header, const Symbol& symbol) {
  const uint64_t size = std::min<uint64_t>(symbol.st_size, sizeof(PluginStamp));
  if (size < sizeof(PluginStamp::interface_version)) return std::nullopt;
  for (const Segment& segment : file.read<Segment>(header.e_phoff, header.e_phnum)) {
    if (segment.p_type != PT_LOAD || symbol.st_value < segment.p_vaddr) continue;
    const uint64_t within = symbol.st_value - segment.p_vaddr;
    if (within > segment.p_filesz || size > segment.p_filesz - within) continue;
    const std::vector<char> bytes = file.read<char>(segment.p_offset + within, size);
    if (bytes.empty()) return std::nullopt;
    PluginStamp stamp;
    stamp.interface_version = 0;
    std::memcpy(&stamp, bytes.data(), size);
    return stamp;
  }
  return std::nullopt;
}

}  // namespace

std::variant<PluginStamp, std::string> read_plugin_stamp(const std::string& path) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) return "does not exist";
  if (error) return "cannot be read: " + error.message();
  if (!std::filesystem::is_regular_file(status)) return "is no file";
  errno = 0;
  ElfFile file(path);
  if (!file.is_open()) return std::string("cannot be read: ") + std::strerror(errno);

  const std::vector<unsigned char> mark = file.read<unsigned char>(0, EI_NIDENT);
  if (mark.empty() || std::memcmp(mark.data(), ELFMAG, SELFMAG) != 0) return "is no shared library";
  const std::vector<FileHeader> header = file.read<FileHeader>(0, 1);
  if (header.empty() || !is_for_this_machine(header.front())) {
    return "is no shared library for this kind of machine";
  }
  if (header.front().e_type != ET_DYN) return "is no shared library";
  const std::optional<Symbol> symbol = find_symbol(file, header.front(), plugin::stamp_symbol);
  if (!symbol) {
    return "is no router plugin: it lacks the symbol " + std::string(plugin::stamp_symbol) +
           ", which SIGNALBOX_ROUTER_PLUGIN of routers/plugin.hpp defines";
  }
  const std::optional<PluginStamp> stamp = read_symbol(file, header.front(), *symbol);
  if (!stamp) return "is no router plugin: its symbol " + std::string(plugin::stamp_symbol) + " cannot be read";
  return *stamp;
}

std::string difference_from_this_broker(const PluginStamp& stamp) {
  constexpr PluginStamp own = plugin::stamp();
  if (stamp.interface_version != own.interface_version) {
    return "was built for version " + std::to_string(stamp.interface_version) +
           " of the router interface, and this broker has version " + std::to_string(own.interface_version) +
           ": build it again with this broker's headers";
  }
  const std::string_view library(stamp.standard_library,
                                 strnlen(stamp.standard_library, sizeof stamp.standard_library));
  if (library != own.standard_library) {
    return "was built with another standard library (" + std::string(library) + ") than this broker (" +
           own.standard_library + "): build it again with that one";
  }
  if (stamp.layout != own.layout) {
    return "was built with headers whose types differ from this broker's, although both have version " +
           std::to_string(own.interface_version) +
           " of the router interface: build it again with this broker's headers";
  }
  return "";
}

}  // namespace signalbox
