"""The page on users' own models: what each of its topics promises is shown by tests that exist.

A topic is a paragraph with a bold beginning, or what a section says otherwise. Whoever adds one
names its tests here.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "own-model.md").read_text(encoding="utf-8")

SHOWN = {
    "Use your own model": """
        test_a_kind_is_trained_compared_and_exported_in_every_form_as_the_page_says
    """,
    "Load a model": """
        test_the_page_has_a_row_for_every_kind_and_a_cell_for_every_form
        test_a_file_of_each_kind_is_told_and_loaded_with_its_weights
        test_a_function_may_take_one_or_none_of_the_two
        test_a_keras_3_model_from_a_function_is_converted_and_kept
        test_fine_tuning_starts_from_the_files_weights
        test_a_trained_network_is_its_own_level_0
        test_init_draws_every_kernel_anew_by_its_own_initializer
        test_settings_of_compile_are_not_read
        test_a_compiled_and_trained_file_loads_without_its_optimizer
        test_weights_without_layers_are_told_apart_from_models
        test_a_folder_written_by_export_is_refused_for_its_missing_layers
    """,
    "What is compared": """
        test_recurrent_layers_and_attention_are_compared_like_others
        test_every_convolution_and_dense_layer_but_the_output_is_compared
        test_every_activation_layer_is_read_behind
        test_one_operation_an_activation_and_several_operations_are_read_alike
        test_norm_scaling_and_sum_are_passed_on_the_way_to_the_activation
        test_layers_that_learn_and_are_not_compared_are_told_with_the_reason
    """,
    "Names": """
        test_layers_are_known_by_the_users_names_wherever_a_run_shows_them
        test_a_layer_is_excluded_by_the_name_that_the_user_gave_it
        test_any_name_can_be_spelt_for_a_graph_and_comes_back_as_it_was
        test_names_that_one_library_refuses_are_spelt_and_cleaned_on_the_way_out
    """,
    "Precision": """
        test_a_model_comes_in_float32_and_leaves_in_its_own_precision
        test_other_precisions_run_and_leave_as_they_came
    """,
    "Regularizers, constraints and frozen layers": """
        test_a_step_equals_that_of_plain_keras
        test_weight_decay_is_kerass_l2_on_kernels_and_nothing_else
        test_fresh_weights_leave_frozen_ones_alone_whatever_holds_them
        test_frozen_layers_have_no_mask_and_are_not_said_to_be_impossible_to_wrap
        test_frozen_layers_are_named_and_a_frozen_network_is_refused
    """,
    "Custom functions": """
        test_a_network_is_trained_stored_and_found_again
        test_a_copy_computes_the_same_and_pays_the_same_penalties
        test_compare_and_export_build_a_network_with_functions_of_your_own_from_your_function_again
    """,
    "A model that changes": """
        test_a_changed_model_is_named_and_a_new_run_begins
        test_the_same_model_goes_on_and_so_do_runs_that_kept_nothing_of_it
        test_a_function_that_was_edited_is_refused_wherever_its_weights_are_used
        test_the_same_file_is_the_same_model_and_trust_is_given_to_one_file_alone
    """,
    "Your Keras settings": """
        test_a_default_run_is_that_of_any_other_user
        test_a_function_that_chooses_a_precision_chooses_it_for_itself_alone
        test_what_is_set_while_the_process_runs_is_set_back
    """,
    "How levels are stored": """
        test_a_network_is_trained_stored_and_found_again
        test_what_a_network_can_t_be_is_said_without_our_trial_s_path_and_its_remedies
        test_a_model_that_can_t_be_registered_is_refused_before_training
        test_where_channels_are_open_it_is_said_in_plain_words
    """,
    "How images are normalised": """
        test_a_built_in_keeps_the_standard
        test_steps_that_scale_or_shift_are_found
        test_preprocessing_of_imagenet_networks_is_found
        test_the_test_set_has_no_say
        test_a_trained_network_gets_the_mode_under_which_it_answers_best
        test_training_images_decide_where_none_are_held_out
        test_a_setting_that_suits_worse_is_kept_and_said
        test_a_run_takes_the_normalization_of_the_file
        test_other_numbers_than_those_of_the_data_set_are_said
        test_outputs_are_told_apart_by_their_numbers
        test_it_trains_and_answers_as_plain_keras_does
    """,
    "Before anything is loaded": """
        test_nothing_of_a_hostile_file_is_imported
        test_a_configuration_that_names_more_than_layers_is_refused
        test_the_table_of_layers_that_convert_is_complete
        test_an_operation_with_files_or_network_is_refused_unrun
        test_an_archive_with_more_than_a_model_is_refused
        test_an_hdf5_file_that_reaches_outside_or_lies_is_refused
        test_layers_that_ask_for_more_weights_than_the_file_holds_are_refused
        test_a_file_that_the_hdf5_library_never_finishes_is_refused
        test_a_savedmodel_needs_trust_and_says_what_that_allows
        test_the_lambda_of_these_tests_does_run_when_the_file_is_trusted
    """,
    "After a conversion": """
        test_a_changed_weight_is_found_at_its_layer
        test_a_difference_larger_than_roundings_is_found
        test_a_stopped_gradient_is_found_at_its_layer
        test_a_real_difference_of_one_gradient_in_a_hundred_is_found
        test_a_dropout_frozen_off_is_found_although_every_answer_agrees
    """,
    "Against the data set": """
        test_a_misfit_says_which_side_has_what
        test_several_inputs_or_outputs_are_refused_with_their_names
        test_a_channels_first_model_is_refused
    """,
    "Layers that convert": """
        test_a_layer_answers_and_learns_the_same_there_and_back
        test_every_operation_on_the_list_is_tested
        test_an_operation_survives_the_way_to_keras_2_and_back
        test_an_operation_without_counterpart_is_named
        test_bare_operations_in_h5_are_refused_with_the_form_that_holds_them
        test_every_activation_of_keras_3_that_is_an_operation_converts_but_sparsemax
        test_an_activation_keeps_its_meaning_both_ways
        test_hard_sigmoid_of_keras_2_keeps_its_own_slope_in_keras_3
        test_a_nested_base_is_unfolded_so_that_its_layers_can_be_pruned
        test_a_shared_layer_stays_shared
        test_a_nested_keras_3_model_leaves_nested
        test_a_model_that_is_called_twice_keeps_its_channels_and_the_rest_shrinks
    """,
    "Layers that do not convert, and why": """
        test_a_training_mode_written_into_a_keras_3_graph_is_ignored_as_keras_ignores_it
        test_moving_variances_differ_by_the_correction_for_the_size_of_the_batch_alone
    """,
    "Export the pruned model": """
        test_sizes_that_a_model_leaves_open_stay_open
        test_a_function_s_network_leaves_in_its_own_precision
        test_a_function_s_network_leaves_by_place_whatever_its_layers_are_called_at_every_call
        test_a_function_s_network_leaves_in_the_library_that_it_is_written_in
        test_a_network_of_keras_2_alone_leaves_as_keras_2
        test_where_the_function_builds_another_network_now_the_one_that_was_trained_is_written
        test_a_trained_network_leaves_whatever_became_of_its_file
        test_a_pruned_model_leaves_in_the_form_in_which_it_came
    """,
}


def _topics() -> list[str]:
    """Return the page's topics in its order."""
    text = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
    found, section = [], ""
    for block in filter(str.strip, text.split("\n\n")):
        if block.lstrip().startswith("#"):
            section = block.strip().lstrip("# ")
        elif bold := re.match(r"\*\*(.*?)\.?\*\*", block):
            found.append(" ".join(bold[1].split()))
        elif not block.startswith(("|", "    ")):
            found.append(section)
    return list(dict.fromkeys(found))


def test_every_topic_of_the_page_has_tests_and_no_others_are_named():
    assert _topics() == list(SHOWN)


@pytest.fixture(scope="module")
def names() -> set[str]:
    paths = (ROOT / "tests").rglob("test_*.py")
    return {
        name
        for path in paths
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }


def test_the_tests_that_show_what_the_page_says_exist(names):
    assert {name for tests in SHOWN.values() for name in tests.split()} - names == set()
