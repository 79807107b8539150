# SPDX-License-Identifier: Apache-2.0
#
# Building migration modules and drivers:
#
#   mig_add_migration(<id>_<name> C <source>... [BUNDLE <folder>] [LIBRARIES <library>...])
#   mig_add_migration(<id>_<name> SQL <file>... [BUNDLE <folder>])
#   mig_add_sql(<file>... [BUNDLE <folder>])
#   mig_sign_bundle(KEY <file> [BUNDLE <folder>])
#   mig_add_driver(<name> SOURCES <source>... [LIBRARIES <library>...] [OUTPUT <folder>])
#
# A migration becomes libmig_<id>.so in the bundle (default: migrations in the
# build folder), from C sources or from SQL files named
# <id>_<name>[.<engine>].{up,down,verify}.sql; mig_add_sql() puts SQL files there
# as they are. A target named like the bundle's folder builds all of it, and
# mig_sign_bundle() has it sign the bundle last. The same sources give the same
# bytes, whatever folder they are built in.

include_guard(GLOBAL)

# What every module and driver is compiled with: whoever overruns a buffer is
# stopped there, and nobody jumps to where no function begins.
function(_mig_harden_code target)
  set(optimised $<CONFIG:Release,RelWithDebInfo,MinSizeRel>)
  set(level 3)
  if(CMAKE_C_COMPILER_ID STREQUAL "GNU" AND CMAKE_C_COMPILER_VERSION VERSION_LESS 12)
    set(level 2)
  endif()
  target_compile_options(${target} PRIVATE -fstack-protector-strong)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|i.86)$")
    target_compile_options(${target} PRIVATE -fcf-protection)
  endif()
  get_directory_property(flags COMPILE_OPTIONS)
  if(NOT "${flags} ${CMAKE_C_FLAGS} ${CMAKE_CXX_FLAGS}" MATCHES "-fsanitize=")
    target_compile_options(${target} PRIVATE
      $<${optimised}:-U_FORTIFY_SOURCE> $<${optimised}:-D_FORTIFY_SOURCE=${level}>)
  endif()
endfunction()

# What every module and driver is linked with: one exported symbol, everything
# resolved when it is loaded, no writable tables afterwards, no search path.
function(_mig_harden target symbol_map)
  _mig_harden_code(${target})
  set(options
    -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack
    -Wl,--exclude-libs,ALL -Wl,--build-id=sha1)
  if(symbol_map)
    list(APPEND options -Wl,--version-script=${symbol_map})
    set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS ${symbol_map})
  endif()
  # A sanitizer leaves its own symbols open for the program to fill in.
  get_directory_property(flags COMPILE_OPTIONS)
  if(NOT "${flags} ${CMAKE_C_FLAGS} ${CMAKE_CXX_FLAGS}" MATCHES "-fsanitize=")
    list(APPEND options -Wl,-z,defs)
  endif()
  target_link_options(${target} PRIVATE ${options})
  # The later of two maps wins in gcc, so that a build folder inside the
  # sources leaves no trace of its name.
  get_target_property(headers mighost::sdk INTERFACE_INCLUDE_DIRECTORIES)
  target_compile_options(${target} PRIVATE
    -ffile-prefix-map=${headers}=mighost
    -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.
    -ffile-prefix-map=${CMAKE_CURRENT_SOURCE_DIR}=.
    -ffile-prefix-map=${CMAKE_BINARY_DIR}=.
    -ffile-prefix-map=${CMAKE_CURRENT_BINARY_DIR}=.)
  set_target_properties(${target} PROPERTIES
    C_VISIBILITY_PRESET hidden
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    POSITION_INDEPENDENT_CODE ON
    SKIP_BUILD_RPATH ON
    BUILD_WITH_INSTALL_RPATH ON
    INSTALL_RPATH ""
    INSTALL_RPATH_USE_LINK_PATH OFF)
  target_compile_features(${target} PRIVATE c_std_11)
endfunction()

# Sets `out` to the target that builds the whole bundle. What the bundle consists
# of is a dependency of <out>_parts, so that more can be done once that is there.
function(_mig_bundle_target bundle out)
  get_filename_component(name ${bundle} NAME)
  if(TARGET ${name})
    get_target_property(owner ${name} MIG_BUNDLE)
    if(NOT owner STREQUAL bundle)
      string(SHA1 hash ${bundle})
      string(SUBSTRING ${hash} 0 8 hash)
      string(APPEND name _${hash})
    endif()
  endif()
  if(NOT TARGET ${name})
    add_custom_target(${name} ALL)
    add_custom_target(${name}_parts)
    add_dependencies(${name} ${name}_parts)
    set_target_properties(${name} PROPERTIES MIG_BUNDLE ${bundle})
  endif()
  set(${out} ${name} PARENT_SCOPE)
endfunction()

# Removes what an earlier configuration put into the bundles and this one does
# not, so that what is taken out of the sources is no migration any more.
function(_mig_sweep)
  set(list_file ${CMAKE_BINARY_DIR}/mig_bundle_files.txt)
  get_property(files GLOBAL PROPERTY MIG_BUNDLE_FILES)
  if(EXISTS ${list_file})
    file(STRINGS ${list_file} before)
    list(REMOVE_ITEM before ${files})
    foreach(file IN LISTS before)
      file(REMOVE ${file})
    endforeach()
  endif()
  list(JOIN files "\n" text)
  file(WRITE ${list_file} "${text}\n")
endfunction()

# Once all folders have said what belongs there.
cmake_language(DEFER DIRECTORY ${CMAKE_SOURCE_DIR} CALL _mig_sweep)

# The folder of the bundle as an absolute path.
function(_mig_bundle_path given out)
  if(NOT given)
    set(given migrations)
  endif()
  get_filename_component(path "${given}" ABSOLUTE BASE_DIR ${CMAKE_BINARY_DIR})
  set(${out} ${path} PARENT_SCOPE)
endfunction()

function(_mig_place_module target id bundle)
  set_property(GLOBAL APPEND PROPERTY MIG_BUNDLE_FILES ${bundle}/libmig_${id}.so)
  set_target_properties(${target} PROPERTIES
    PREFIX ""
    OUTPUT_NAME libmig_${id}
    SUFFIX .so
    LIBRARY_OUTPUT_DIRECTORY $<1:${bundle}>)
  # The host refuses what others can write, whatever the builder's umask is.
  add_custom_command(TARGET ${target} POST_BUILD
    COMMAND chmod go-w $<TARGET_FILE:${target}> ${bundle} VERBATIM)
  _mig_bundle_target(${bundle} all)
  add_dependencies(${all}_parts ${target})
endfunction()

# A text as a C string's content.
function(_mig_escape text out)
  string(REPLACE "\\" "\\\\" text "${text}")
  string(REPLACE "\"" "\\\"" text "${text}")
  set(${out} "${text}" PARENT_SCOPE)
endfunction()

# Reads role and engine out of a SQL file's name, which must begin with `id`_.
function(_mig_sql_name file id role_out engine_out)
  get_filename_component(base ${file} NAME)
  if(NOT base MATCHES "^${id}_[^.]+(\\.([a-z0-9_]+))?\\.(up|down|verify)\\.sql$")
    message(FATAL_ERROR "mig_add_migration: ${base} is not named "
      "${id}_<name>[.<engine>].{up,down,verify}.sql")
  endif()
  set(${role_out} ${CMAKE_MATCH_3} PARENT_SCOPE)
  set(${engine_out} "${CMAKE_MATCH_2}" PARENT_SCOPE)
endfunction()

# The mode that the header lines of an SQL file ask for, as the SDK spells it.
function(_mig_sql_mode file out)
  file(STRINGS ${file} lines LIMIT_COUNT 40 REGEX "^-- *mig: *mode *=")
  set(mode MIG_ATOMIC)
  if(lines MATCHES "= *(durable|none) *$")
    string(TOUPPER MIG_${CMAKE_MATCH_1} mode)
  endif()
  set(${out} ${mode} PARENT_SCOPE)
endfunction()

# Writes the source of a module that holds SQL and no code.
function(_mig_write_sql_source source id description files)
  set(MIG_UP 0)
  set(MIG_DOWN 0)
  set(MIG_VERIFY 0)
  set(MIG_MODE MIG_ATOMIC)
  set(MIG_TEXTS "")
  foreach(file IN LISTS files)
    _mig_sql_name(${file} ${id} role engine)
    string(TOUPPER ${role} role)
    set(MIG_${role} 1)
    if(role STREQUAL UP AND MIG_MODE STREQUAL MIG_ATOMIC)
      _mig_sql_mode(${file} MIG_MODE)
    endif()
    _mig_escape("${file}" path)
    string(APPEND MIG_TEXTS "SQL_TEXT(${role}, \"${engine}\", \"${path}\")\n")
  endforeach()
  if(NOT MIG_UP)
    message(FATAL_ERROR "mig_add_migration: ${id} has no .up.sql file")
  endif()
  set(MIG_ID ${id})
  _mig_escape("${description}" MIG_DESCRIPTION)
  configure_file(${CMAKE_CURRENT_FUNCTION_LIST_DIR}/sql_module.c.in ${source} @ONLY)
endfunction()

function(mig_add_migration name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "BUNDLE" "C;SQL;LIBRARIES")
  if(arg_UNPARSED_ARGUMENTS OR (NOT arg_C AND NOT arg_SQL) OR (arg_C AND arg_SQL))
    message(FATAL_ERROR
      "mig_add_migration(${name}): give either C and sources or SQL and files")
  endif()
  if(NOT name MATCHES "^([0-9]+)_([A-Za-z0-9_-]+)$")
    message(FATAL_ERROR "mig_add_migration: ${name} is not <id>_<name>, as in "
      "20240126130000_hash_user_emails")
  endif()
  set(id ${CMAKE_MATCH_1})
  string(REGEX REPLACE "[_-]" " " description ${CMAKE_MATCH_2})
  string(LENGTH ${id} digits)
  if(digits GREATER 18)
    message(FATAL_ERROR "mig_add_migration: the id ${id} is longer than 18 digits")
  endif()
  _mig_bundle_path("${arg_BUNDLE}" bundle)

  if(arg_C)
    add_library(${name} MODULE ${arg_C})
    _mig_harden(${name} ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/module.map)
  else()
    set(files)
    foreach(file IN LISTS arg_SQL)
      get_filename_component(path ${file} ABSOLUTE)
      list(APPEND files ${path})
    endforeach()
    set(source ${CMAKE_CURRENT_BINARY_DIR}/${name}.sql.c)
    _mig_write_sql_source(${source} ${id} ${description} "${files}")
    # The texts are read by the assembler, and their headers when configuring.
    set_source_files_properties(${source} PROPERTIES OBJECT_DEPENDS "${files}")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${files})
    add_library(${name} MODULE ${source})
    _mig_harden(${name} "")
    # No code, so nothing to debug, and nothing for an optimiser to move.
    target_compile_options(${name} PRIVATE -fno-lto -g0)
  endif()
  target_link_libraries(${name} PRIVATE mighost::sdk ${arg_LIBRARIES})
  _mig_place_module(${name} ${id} ${bundle})
endfunction()

function(mig_add_sql)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "BUNDLE" "")
  _mig_bundle_path("${arg_BUNDLE}" bundle)
  set(copies)
  foreach(file IN LISTS arg_UNPARSED_ARGUMENTS)
    get_filename_component(path ${file} ABSOLUTE)
    get_filename_component(base ${file} NAME)
    add_custom_command(OUTPUT ${bundle}/${base}
      COMMAND ${CMAKE_COMMAND} -E make_directory ${bundle}
      COMMAND ${CMAKE_COMMAND} -E copy ${path} ${bundle}/${base}
      COMMAND chmod go-w ${bundle}/${base} ${bundle}
      DEPENDS ${path} VERBATIM)
    list(APPEND copies ${bundle}/${base})
  endforeach()
  if(NOT copies)
    return()
  endif()
  set_property(GLOBAL APPEND PROPERTY MIG_BUNDLE_FILES ${copies})
  _mig_bundle_target(${bundle} all)
  string(SHA1 hash "${copies}")
  string(SUBSTRING ${hash} 0 8 hash)
  add_custom_target(${all}_sql_${hash} DEPENDS ${copies})
  add_dependencies(${all}_parts ${all}_sql_${hash})
endfunction()

# Signs whatever is in the bundle after each build of it, whoever put it there.
function(mig_sign_bundle)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "KEY;BUNDLE" "")
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_KEY)
    message(FATAL_ERROR "mig_sign_bundle: give KEY and the file of the private key")
  endif()
  if(TARGET mighost_cli)
    set(host mighost_cli)
  elseif(MIGHOST_EXECUTABLE)
    set(host ${MIGHOST_EXECUTABLE})
  else()
    message(FATAL_ERROR "mig_sign_bundle: call find_package(mighost) here or in a folder above")
  endif()
  get_filename_component(key "${arg_KEY}" ABSOLUTE)
  _mig_bundle_path("${arg_BUNDLE}" bundle)
  _mig_bundle_target(${bundle} all)
  if(TARGET ${all}_signature)
    message(FATAL_ERROR "mig_sign_bundle: ${bundle} is signed twice")
  endif()
  add_custom_target(${all}_signature
    COMMAND ${host} --bundle ${bundle} sign --key ${key} --quiet
    COMMENT "Signing ${bundle}" VERBATIM)
  add_dependencies(${all}_signature ${all}_parts)
  add_dependencies(${all} ${all}_signature)
endfunction()

function(mig_add_driver name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "OUTPUT" "SOURCES;LIBRARIES")
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_SOURCES)
    message(FATAL_ERROR "mig_add_driver(${name}): give SOURCES and sources")
  endif()
  if(NOT name MATCHES "^[a-z0-9_]+$")
    message(FATAL_ERROR "mig_add_driver: ${name} is not lower-case letters, digits and _")
  endif()
  if(NOT arg_OUTPUT)
    set(arg_OUTPUT ${CMAKE_CURRENT_BINARY_DIR})
  endif()
  add_library(migdrv_${name} MODULE ${arg_SOURCES})
  _mig_harden(migdrv_${name} ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/driver.map)
  target_link_libraries(migdrv_${name} PRIVATE mighost::sdk ${arg_LIBRARIES})
  set_target_properties(migdrv_${name} PROPERTIES
    PREFIX lib
    SUFFIX .so
    LIBRARY_OUTPUT_DIRECTORY $<1:${arg_OUTPUT}>)
  add_custom_command(TARGET migdrv_${name} POST_BUILD
    COMMAND chmod go-w $<TARGET_FILE:migdrv_${name}> $<TARGET_FILE_DIR:migdrv_${name}>
    VERBATIM)
endfunction()
