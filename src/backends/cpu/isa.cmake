# cairn_isa_sources(out SOURCES …): compiles each source once for every instruction set of this processor family, as
# namespace cairn::<isa>, and sets `out` to the object files. Such a source includes only backends/cpu/vec.h and headers of plain
# structs, and exports only its kernel table: anything inline that the compiler does not inline would be emitted with
# the wider instructions and could be picked by the linker for the whole program (tests/isa_symbols checks this).
# g++ 12 warns of its own intrinsics headers (uninitialized), and of vectors wider than the baseline in inlined calls (psabi).
set(CAIRN_ISA_COMMON -O3 -fno-math-errno -ffp-contract=off -fno-trapping-math -Wno-uninitialized -Wno-maybe-uninitialized -Wno-psabi)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(CAIRN_ISAS portable avx2 avx512 avx512_vnni avx512_bf16)
  set(CAIRN_ISA_FLAGS_portable "")
  set(CAIRN_ISA_FLAGS_avx2 -mavx2 -mfma -mf16c -mbmi2)
  set(CAIRN_ISA_FLAGS_avx512 ${CAIRN_ISA_FLAGS_avx2} -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512cd -mprefer-vector-width=512)
  set(CAIRN_ISA_FLAGS_avx512_vnni ${CAIRN_ISA_FLAGS_avx512} -mavx512vnni)
  set(CAIRN_ISA_FLAGS_avx512_bf16 ${CAIRN_ISA_FLAGS_avx512_vnni} -mavx512bf16)
else()
  set(CAIRN_ISAS portable)
  set(CAIRN_ISA_FLAGS_portable "")
endif()
# The function is called from other folders, where plain variables of this one are not seen.
foreach(variable CAIRN_ISA_COMMON CAIRN_ISAS)
  set(${variable} ${${variable}} CACHE INTERNAL "")
endforeach()
foreach(isa IN LISTS CAIRN_ISAS)
  set(CAIRN_ISA_FLAGS_${isa} ${CAIRN_ISA_FLAGS_${isa}} CACHE INTERNAL "")
endforeach()

function(cairn_isa_sources out)
  cmake_parse_arguments(ARG "" "" "SOURCES" ${ARGN})
  # They see plain headers of their own room and of ops/core, and the vector types.
  file(RELATIVE_PATH room ${CMAKE_SOURCE_DIR}/src ${CMAKE_CURRENT_SOURCE_DIR})
  string(REPLACE "/" "_" own_root ${room})
  cairn_include_root(${room})
  set(objects "")
  foreach(isa IN LISTS CAIRN_ISAS)
    set(target ${out}_${isa})
    add_library(${target} OBJECT ${ARG_SOURCES})
    target_compile_options(${target} PRIVATE ${CAIRN_ISA_COMMON} ${CAIRN_ISA_FLAGS_${isa}})
    target_compile_definitions(${target} PRIVATE CAIRN_ISA=${isa} CAIRN_ISA_${isa}=1)
    target_include_directories(${target} PRIVATE ${CAIRN_INCLUDE_FARM}/${own_root} ${CAIRN_INCLUDE_FARM}/backends_cpu
                               ${CAIRN_INCLUDE_FARM}/ops_core)
    target_link_libraries(${target} PRIVATE cairn_flags)
    list(APPEND objects $<TARGET_OBJECTS:${target}>)
    set_property(GLOBAL APPEND PROPERTY CAIRN_ISA_OBJECT_TARGETS ${target}:${isa})
  endforeach()
  set(${out} ${objects} PARENT_SCOPE)
endfunction()
