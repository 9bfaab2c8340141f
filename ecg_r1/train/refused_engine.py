"""Options of vLLM's engine that `rollout.options` may not give: why, and what to use instead.

The rest is passed on to vLLM under its own name, and vLLM checks its values before a run starts.
"""

from __future__ import annotations

from ecg_r1.train.refused import Refused, same, set_by

SAMPLING = "use `trainer.temperature`, `trainer.top_p` and the like, or `trainer.generation_kwargs`"

OF_SERVERS = {"tensor_parallel_size", "disable_custom_all_reduce", "mm_encoder_tp_mode"}  # accepted with `mode: server`

ENGINE: dict[str, Refused] = {
    "seed": set_by("seed:"),
    "enable_sleep_mode": set_by("trainer.vllm_enable_sleep_mode"),
    "tensor_parallel_size": set_by("trainer.vllm_tensor_parallel_size"),
    "dtype": set_by("rollout.dtype"),
    "model": set_by("model:"),
    "logprobs_mode": Refused("is set by us: the trainer compares log-probabilities", unless=("processed_logprobs",)),
    "distributed_executor_backend": Refused(
        "is set by us: the engine runs in the training process", unless=(None, "external_launcher")
    ),
    **same(
        "model_weights tokenizer hf_config_path runner convert skip_tokenizer_init enable_prompt_embeds tokenizer_mode "
        "config_format revision code_revision tokenizer_revision hf_token hf_overrides model_class_overrides "
        "model_impl download_dir ignore_patterns",
        Refused("is decided by the checkpoint, which lies on this machine", "use `model:`"),
    ),
    "trust_remote_code": Refused("would run code that comes with a checkpoint"),
    **same(
        "quantization quantization_config allow_deprecated_quantization mm_encoder_fp8_scale_path "
        "mm_encoder_fp8_scale_save_path mm_encoder_fp8_scale_save_margin",
        Refused("is not supported: the trainer hands over its own weights at each step", "use `rollout.dtype`"),
    ),
    **same("generation_config override_generation_config", Refused("has no effect on rollouts", SAMPLING)),
    **same(
        "max_logprobs return_sampling_mask enable_return_routed_experts enable_trace_replay aux_output_config",
        Refused("has no effect: of each token its own log-probability is asked for, and nothing else"),
    ),
    "watermark_config": Refused("would sample from another distribution than the policy's"),
    **same(
        "structured_outputs_config reasoning_parser reasoning_parser_plugin reasoning_config",
        Refused("has no effect: rollouts are free text", "use the reward `format`"),
    ),
    **same(
        "pipeline_parallel_size prefill_context_parallel_size decode_context_parallel_size "
        "dcp_comm_backend dcp_q_replicate dcp_kv_cache_interleave_size cp_kv_cache_interleave_size "
        "nnodes node_rank master_addr master_port device_ids data_parallel_size data_parallel_rank "
        "data_parallel_start_rank data_parallel_size_local data_parallel_address data_parallel_rpc_port "
        "data_parallel_hybrid_lb data_parallel_external_lb data_parallel_multi_port_external_lb data_parallel_backend "
        "dp_sync_interval disable_nccl_for_dp_synchronization enable_batch_sharded_sampling disable_custom_all_reduce "
        "mm_encoder_tp_mode worker_cls worker_extension_cls max_parallel_loading_workers ray_workers_use_nsight "
        "enable_dbo dbo_decode_token_threshold dbo_prefill_token_threshold ubatch_size enable_hc_sp",
        Refused(
            "is not supported: an engine in the training processes is parallel in its tensors alone",
            "use `trainer.vllm_tensor_parallel_size`, or more `processes:`",
            unless=(None, False, 1),
        ),
    ),
    **same(
        "moe_backend enable_expert_parallel enable_ep_weight_filter all2all_backend enable_elastic_ep "
        "elastic_ep_max_dp_size enable_eplb eplb_config expert_placement_strategy mamba_config mamba_cache_dtype "
        "mamba_ssm_cache_dtype mamba_block_size mamba_cache_mode enable_mamba_shared_prefix_checkpoint "
        "replayssm_buffer_len use_replayssm mamba_backend mamba_ssu_algorithm enable_mamba_cache_stochastic_rounding "
        "mamba_cache_philox_rounds gdn_prefill_backend kda_prefill_backend kda_decode_backend engram_config "
        "sparse_indexer_topk_backend swa_bounded_replay kv_sharing_fast_prefill diffusion_config",
        Refused("has no effect: GEM's language model has no such layers"),
    ),
    **same(
        "enable_lora max_loras max_lora_rank default_mm_loras fully_sharded_loras max_cpu_loras lora_dtype "
        "lora_target_modules enable_tower_connector_lora specialize_active_lora enable_mixed_moe_lora_format "
        "enable_moe_shared_loras max_lora_cls_labels",
        Refused("has no effect: adapters are merged before the weights reach the engine", "use `lora:`"),
    ),
    **same(
        "sleep_mode_offload_cudagraph sleep_preserve_parameter_names enable_cumem_allocator enable_nccl_comm_suspend",
        Refused("is decided by how the trainer puts the engine to sleep", "use `trainer.vllm_enable_sleep_mode`"),
    ),
    **same(
        "speculative_config spec_method spec_model spec_tokens per_request_spec_decode_metrics",
        Refused("is not supported: the draft model would stay as it is while the policy learns"),
    ),
    **same(
        "kv_transfer_config kv_events_config ec_transfer_config ec_manager_config kv_offloading_size "
        "kv_offloading_backend weight_transfer_config",
        Refused("is not supported: what is kept outside the engine would not be forgotten when the weights change"),
    ),
    # Media: a prompt has one ECG and one page, processed as the trainer does.
    **same(
        "language_model_only mm_encoder_only",
        Refused("would leave out the ECG, or the text"),
    ),
    **same(
        "limit_mm_per_prompt enable_mm_embeds interleave_mm_strings media_io_kwargs mm_processor_kwargs "
        "mm_device_do_normalize video_pruning_rate video_pruning_method",
        Refused("is decided by the plug-in: ECG and page are processed as the trainer does"),
    ),
    **same(
        "served_model_name allowed_local_media_path allowed_media_domains max_num_queued_reqs max_num_queued_tokens "
        "io_processor_plugin renderer_num_workers mm_tensor_ipc mm_ipc_gpu_memory_gb scheduling_policy pooler_config "
        "stream_interval tokens_only shutdown_timeout fault_tolerance_config enable_fault_tolerance "
        "_api_process_count _api_process_rank disable_log_stats aggregate_engine_logging "
        "show_hidden_metrics_for_version otlp_traces_endpoint collect_detailed_traces kv_cache_metrics "
        "kv_cache_metrics_sample custom_histogram_buckets cudagraph_metrics enable_mfu_metrics "
        "enable_logging_iteration_details enable_mm_processor_stats profiler_config",
        Refused("has no effect: it belongs to a vLLM server", "`ecg-r1 serve` takes it"),
    ),
}
